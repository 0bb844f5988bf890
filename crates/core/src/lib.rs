//! The engine of libmojo: everything a handle can mean, and the node that connects processes.
