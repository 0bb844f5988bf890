//! A message for tests that need no more than that.

use libmojo_ports::{Message, PortRef};

/// A number, which counts as that many bytes, with ends inside. `PORTABLE` says whether it can leave its node.
#[derive(Debug)]
pub struct Note<const PORTABLE: bool>(pub u64, pub Vec<PortRef<Self>>);

impl<const PORTABLE: bool> Message for Note<PORTABLE> {
    type PortData = ();
    type NodeData = ();

    fn is_portable(&self) -> bool {
        PORTABLE
    }
    fn make_portable(&mut self) -> bool {
        PORTABLE
    }
    fn num_bytes(&self) -> u64 {
        self.0
    }
    fn any_port(&self, test: &mut dyn FnMut(&PortRef<Self>) -> bool) -> bool {
        self.1.iter().any(test)
    }
    fn take_ports(&mut self) -> Vec<PortRef<Self>> {
        std::mem::take(&mut self.1)
    }
    fn put_ports(&mut self, ports: Vec<PortRef<Self>>) {
        self.1 = ports;
    }
    fn is_watched((): &()) -> bool {
        false
    }
}
