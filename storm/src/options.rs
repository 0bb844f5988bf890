//! What the command line says.

use crate::fault::Fault;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub const HELP: &str = "\
Processes exchange pipes, data pipes, buffers and descriptors at random while some of them are killed.

storm [--seconds N] [--processes N] [--seed N] [--patience N] [--fault NAME]

  --seconds N    how long, about (30)
  --processes N  how many processes at a time, besides the one that controls them (32)
  --seed N       what chance begins with (another one each time)
  --patience N   after how many seconds without any progress it counts as hanging (60)
  --fault NAME   has one process do wrong, to see that it is noticed: skip, repeat, damage, descriptor, port, thread,
                 mapping

The exit code is 0 if everything was in order, 1 if not, 2 if the command line makes no sense.
";

/// What this process is to do.
pub enum Start {
    Controller(Options),
    Actor(Part),
    Help,
}

#[derive(Clone)]
pub struct Options {
    pub seconds: u64,
    pub processes: usize,
    pub seed: u64,
    pub patience: Duration,
    pub fault: Option<Fault>,
}

impl Options {
    /// The command that repeats all that chance decides.
    pub fn command(&self) -> Repeat<'_> {
        Repeat(self)
    }
}

pub struct Repeat<'a>(&'a Options);

impl fmt::Display for Repeat<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { seconds, processes, seed, .. } = self.0;
        write!(f, "cargo run --release -p storm -- --seconds {seconds} --processes {processes} --seed {seed}")
    }
}

/// What an actor is told when it is started.
#[derive(Clone)]
pub struct Part {
    pub index: usize,
    pub seed: u64,
    pub patience: Duration,
    pub fault: Option<Fault>,
}

impl Part {
    /// How long to wait until everything is gone. Whoever knows best what is wrong loses patience first.
    pub fn leak_patience(&self) -> Duration {
        self.patience / 2
    }

    /// How long an order may take.
    pub fn hang_patience(&self) -> Duration {
        self.patience * 3 / 4
    }

    /// The arguments that start an actor.
    pub fn arguments(&self) -> Vec<String> {
        let fault = self.fault.map_or("none", Fault::name);
        [
            "actor".into(),
            self.index.to_string(),
            self.seed.to_string(),
            self.patience.as_secs().to_string(),
            fault.into(),
        ]
        .into()
    }
}

pub fn parse(arguments: &[String]) -> Result<Start, String> {
    if let [first, rest @ ..] = arguments
        && first == "actor"
    {
        return part(rest).map(Start::Actor);
    }
    let seed = fastrand::u64(..1 << 32);
    let patience = Duration::from_secs(60);
    let mut options = Options { seconds: 30, processes: 32, seed, patience, fault: None };
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        if name == "--help" || name == "-h" {
            return Ok(Start::Help);
        }
        let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
        match name.as_str() {
            "--seconds" => options.seconds = number(value()?)?,
            "--processes" => options.processes = number(value()?)?,
            "--seed" => options.seed = number(value()?)?,
            "--patience" => options.patience = Duration::from_secs(number(value()?)?),
            "--fault" => options.fault = Some(Fault::named(value()?)?),
            _ => return Err(format!("there is no option {name}")),
        }
    }
    if options.processes < 2 {
        return Err("it takes two processes at least".into());
    }
    Ok(Start::Controller(options))
}

fn part(arguments: &[String]) -> Result<Part, String> {
    let [index, seed, patience, fault] = arguments else { return Err("an actor is told four things".into()) };
    let fault = if fault == "none" { None } else { Some(Fault::named(fault)?) };
    let patience = Duration::from_secs(number(patience)?);
    Ok(Part { index: number(index)?, seed: number(seed)?, patience, fault })
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not a number that can be used here"))
}
