//! A host for plugins that it does not trust.
//!
//! A plugin answers requests, each a line of text. The host starts it as a process that has its socket, a few memory pages
//! and nothing else: no environment, no files, and, before any code of the plugin runs, a filter that refuses it system
//! calls that reach for files, sockets, programs or other processes. What a plugin can do after that is answer: wrongly,
//! too much, never, or not at all any more. The host has an answer to each of these, and other plugins notice nothing.

use libmojo::{
    AcceptedInvitation, Invitation, Message, MessagePipe, ProcessError, RecvError, SendOptions, Signals, Waitable,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};
use std::collections::BTreeMap;
use std::error::Error;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, process};

const USAGE: &str = "\
usage: plugin_host

Asks plugins, most of which misbehave, one question each.
";

/// How long a plugin may take for an answer, and for noticing that it is to end.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that the host takes.
const MAX_ANSWER: usize = 1 << 10;

/// How the host starts a plugin.
const PLUGIN_ARGUMENT: &str = "--plugin";

type Outcome<T> = Result<T, Box<dyn Error>>;
type Plugin = fn(&str, &MessagePipe) -> String;

/// What would be shared objects or programs of others.
const PLUGINS: [(&str, Plugin); 6] = [
    ("upper", |text, _| text.to_uppercase()),
    ("snoop", |_, _| fs::read_to_string("/etc/passwd").unwrap_or_else(|error| error.to_string())),
    ("shell", |_, _| Command::new("/bin/true").status().map_or_else(|error| error.to_string(), |_| "started".into())),
    ("crash", |_, _| process::abort()),
    ("sleep", |_, pipe| {
        let _ = pipe.wait(Signals::PEER_CLOSED, None);
        String::new()
    }),
    ("chatter", |text, pipe| {
        let long = text.repeat(1_000);
        let _ = pipe.send(Message::from(long.as_str()));
        long
    }),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => host(),
        [PLUGIN_ARGUMENT, name] => run_plugin(name),
        ["--help"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plugin_host: {error}");
            ExitCode::FAILURE
        }
    }
}

// ---- the host --------------------------------------------------------------------------------------------

struct Running {
    process: Child,
    requests: MessagePipe,
}

fn host() -> Outcome<()> {
    let mut plugins = BTreeMap::new();
    for (name, _) in PLUGINS {
        plugins.insert(name, Running::start(name)?);
    }
    for (name, plugin) in &plugins {
        println!("{name:<8} {}", plugin.ask("Hello").unwrap_or_else(|reason| format!("refused: {reason}")));
    }
    // One that misbehaves harms nobody else.
    let again = plugins.get("upper").ok_or("no plugin")?.ask("still here")?;
    println!("{:<8} {again}", "upper");
    plugins.into_values().try_for_each(Running::end)
}

impl Running {
    fn start(name: &'static str) -> Outcome<Self> {
        let invitation = Invitation::new();
        let requests = invitation.attach(b"requests")?;
        let mut command = Command::new(env::current_exe()?);
        command.args([PLUGIN_ARGUMENT, name]).env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Hears what is wrong with the plugin, from the engine and from `report_bad`.
        let handler = Arc::new(move |error: &ProcessError| {
            if !error.message.is_empty() {
                eprintln!("{name}: {}", error.message);
            }
        });
        let options = SendOptions { handler: Some(handler), ..SendOptions::default() };
        let (process, _) = invitation.spawn_with(&mut command, options)?;
        Ok(Self { process, requests })
    }

    /// Asks a question. What comes back is the plugin's, and so is checked like anything else that a stranger says.
    fn ask(&self, text: &str) -> Result<String, String> {
        self.requests.send(Message::from(text)).map_err(|error| error.to_string())?;
        let answer = self.requests.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvError::DeadlineExceeded => "it does not answer".to_owned(),
            error => error.to_string(),
        })?;
        match std::str::from_utf8(answer.payload()) {
            Ok(text) if text.len() <= MAX_ANSWER => Ok(text.to_owned()),
            _ => {
                answer.report_bad("not a line of text");
                Err("a bad answer".to_owned())
            }
        }
    }

    fn end(self) -> Outcome<()> {
        let Self { mut process, requests } = self;
        drop(requests);
        process.kill()?;
        process.wait()?;
        Ok(())
    }
}

// ---- a plugin's process ----------------------------------------------------------------------------------

fn run_plugin(name: &str) -> Outcome<()> {
    let (_, plugin) = PLUGINS.iter().find(|(known, _)| *known == name).ok_or("no such plugin")?;
    let requests = AcceptedInvitation::inherited()?.extract(b"requests")?;
    enter_sandbox()?;
    while let Ok(request) = requests.recv() {
        let answer = plugin(&String::from_utf8_lossy(request.payload()), &requests);
        if requests.send(Message::from(answer.as_str())).is_err() {
            break;
        }
    }
    Ok(())
}

/// From here on, for all threads and for good: what would open files, make or use other sockets, start programs, or touch
/// other processes fails. A list of what is allowed would be stricter still, but belongs to the program and its allocator.
fn enter_sandbox() -> Outcome<()> {
    const REFUSED: &[libc::c_long] = &[
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_open_by_handle_at,
        libc::SYS_unlinkat,
        libc::SYS_renameat2,
        libc::SYS_mount,
        libc::SYS_socket,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_pidfd_open,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_bpf,
        libc::SYS_io_uring_setup,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_creat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename,
    ];
    let rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, env::consts::ARCH.try_into()?)?;
    apply_filter_all_threads(&BpfProgram::try_from(filter)?)?;
    Ok(())
}
