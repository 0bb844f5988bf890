//! What an actor does wrong when it is told to, so that it can be seen that the storm notices.

/// One kind of wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A message is not sent.
    Skip,
    /// A message is sent twice.
    Repeat,
    /// A byte of a payload is changed.
    Damage,
    /// A descriptor is not closed.
    Descriptor,
    /// An end of a pipe is not closed.
    Port,
    /// A thread does not end.
    Thread,
    /// A buffer is not unmapped.
    Mapping,
}

impl Fault {
    const ALL: [(Fault, &str); 7] = [
        (Fault::Skip, "skip"),
        (Fault::Repeat, "repeat"),
        (Fault::Damage, "damage"),
        (Fault::Descriptor, "descriptor"),
        (Fault::Port, "port"),
        (Fault::Thread, "thread"),
        (Fault::Mapping, "mapping"),
    ];

    pub fn named(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|(_, known)| *known == name);
        known.map(|(fault, _)| fault).ok_or_else(|| format!("there is no fault {name}"))
    }

    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(fault, _)| *fault == self).map_or("", |(_, name)| name)
    }
}
