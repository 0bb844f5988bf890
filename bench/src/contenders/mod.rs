//! Who takes part: libmojo through its two faces, and its peers.

pub mod events;
#[cfg(feature = "iceoryx2")]
pub mod iceoryx;
#[cfg(not(feature = "iceoryx2"))]
#[path = "iceoryx_missing.rs"]
pub mod iceoryx;
pub mod in_process;
pub mod ipc_channel;
pub mod memory;
pub mod mojo;
pub mod mojo_c;
pub mod sockets;
pub mod tokio_unix;

/// Evaluates an expression for the [`Carrier`](crate::wire::Carrier) of a kind.
macro_rules! with_carrier {
    ($kind:expr, $carrier:ident => $body:expr) => {
        with_carrier!(@ $kind, $carrier => $body;
            Mojo(mojo::Mojo), MojoOnTokio(mojo::MojoOnTokio), Futex(events::Futex), Eventfd(events::Eventfd),
            SocketPair(sockets::SocketPair), IpcChannel(ipc_channel::Bytes), IpcChannelTyped(ipc_channel::Typed),
            IceoryxPolling(iceoryx::Polling), IceoryxEvents(iceoryx::Events), TokioUnix(tokio_unix::TokioUnix))
    };
    (@ $kind:expr, $carrier:ident => $body:expr; $($name:ident($($path:ident)::+)),+) => {
        match $kind {
            $($crate::process::CarrierKind::$name => {
                type $carrier = $crate::contenders::$($path)::+;
                $body
            })+
        }
    };
}
pub(crate) use with_carrier;
