//! Mojo message pipes, data pipes, shared buffers and watchers: the safe Rust API.
