//! Names of nodes and ports: 128 random bits each, so that they cannot be guessed.

/// The name of a node, unique among all nodes that can reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName(pub u128);

/// The name of a port, unique within its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortName(pub u128);

/// Where a port lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The node that holds the port.
    pub node: NodeName,
    /// The port's name in that node.
    pub port: PortName,
}
