//! What libmojo needs from the operating system.
