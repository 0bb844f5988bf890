//! Routing of libmojo's message pipes, without I/O.
