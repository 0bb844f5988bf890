//! The Mojo C System API over the libmojo engine.
