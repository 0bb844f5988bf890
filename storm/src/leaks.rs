//! Whether anything is left.

use libmojo::Node;
use std::time::{Duration, Instant};

/// What a process had when it began.
pub struct BaseLine {
    /// Where its descriptors lead.
    descriptors: Vec<String>,
    threads: usize,
    mappings: usize,
}

impl BaseLine {
    pub fn now() -> Self {
        Self { descriptors: descriptors(), threads: threads(), mappings: mappings() }
    }

    /// What there is that was not there at first; `None` if there is nothing.
    fn excess(&self) -> Option<String> {
        let (threads, mappings) = (threads(), mappings());
        let mut left = self.descriptors.clone();
        let more: Vec<String> = descriptors()
            .into_iter()
            .filter(|descriptor| match left.iter().position(|known| known == descriptor) {
                Some(at) => {
                    left.swap_remove(at);
                    false
                }
                None => true,
            })
            .collect();
        let is_clean = more.is_empty() && threads <= self.threads && mappings <= self.mappings;
        let [had_threads, had_mappings] = [self.threads, self.mappings];
        (!is_clean).then(|| {
            format!("threads {had_threads} -> {threads}, mappings {had_mappings} -> {mappings}, descriptors {more:?}")
        })
    }

    /// Waits until all that this process has come to have is gone again.
    pub fn wait_until_back(&self, node: &Node, patience: Duration) -> Result<(), String> {
        wait_for_ports(node, (0, 0), patience)?;
        eventually(patience, || if node.has_links() { Some("a link".into()) } else { self.excess() })
    }
}

/// Waits until a node has so many ports, and so many of them that pass things on.
pub fn wait_for_ports(node: &Node, expected: (usize, usize), patience: Duration) -> Result<(), String> {
    eventually(patience, || {
        let (ports, proxies) = node.port_counts();
        ((ports, proxies) != expected).then(|| format!("{ports} ports, {proxies} proxies"))
    })
}

/// Waits until nothing is left. There is nothing that tells when this happens, so it is looked at again and again.
pub fn eventually(patience: Duration, left: impl Fn() -> Option<String>) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    while let Some(text) = left() {
        if Instant::now() > deadline {
            return Err(format!("left: {text}"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn descriptors() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    // The directory that is being listed is one of them.
    targets.map(|target| target.display().to_string()).filter(|target| !target.starts_with("/proc/")).collect()
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains("memfd:")).count()
}
