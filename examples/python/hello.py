#!/usr/bin/env python3
"""Starts a process with an invitation, and is one that was started so: what docs/processes.md tells, in Python.

    python3 hello.py LIBRARY [PROGRAM [ARGUMENT]...]

LIBRARY is libmojo_system.so. PROGRAM is started with an invitation that has a pipe named "main", and is sent "hello"
there; what it answers is printed. Without a PROGRAM this one is started again: it finds an invitation, accepts it, and
sends back the first message that comes.
"""

import ctypes
import os
import socket
import subprocess
import sys

VARIABLE = "LIBMOJO_INVITATION"
READABLE = 1
FOR_EVER = 2**64 - 1


class PlatformHandle(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("type", ctypes.c_uint32), ("value", ctypes.c_uint64)]


class Endpoint(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("num_platform_handles", ctypes.c_uint32),
        ("platform_handles", ctypes.POINTER(PlatformHandle)),
    ]


class Mojo:
    """As much of the C API as this needs."""

    def __init__(self, path):
        self.library = ctypes.CDLL(path)

    def call(self, name, *arguments):
        result = getattr(self.library, name)(*arguments)
        if result != 0:
            raise OSError(f"{name} answers {result}")

    def new(self, type, name, *arguments):
        """Calls a function whose last argument is where to store what it makes."""
        made = type()
        self.call(name, *arguments, ctypes.byref(made))
        return made

    @staticmethod
    def endpoint(descriptor):
        handle = PlatformHandle(ctypes.sizeof(PlatformHandle), 1, descriptor)
        return ctypes.byref(Endpoint(ctypes.sizeof(Endpoint), 0, 1, ctypes.pointer(handle)))

    def invite(self, descriptor, name):
        """Sends an invitation with one pipe, and takes the descriptor."""
        invitation = self.new(ctypes.c_uint32, "MojoCreateInvitation", None)
        pipe = self.new(ctypes.c_uint32, "MojoAttachMessagePipeToInvitation", invitation, name, len(name), None)
        self.call("MojoSendInvitation", invitation, None, self.endpoint(descriptor), None, None, None)
        return pipe

    def accept(self, descriptor, name):
        """Accepts an invitation, and takes the descriptor."""
        invitation = self.new(ctypes.c_uint32, "MojoAcceptInvitation", self.endpoint(descriptor), None)
        pipe = self.new(ctypes.c_uint32, "MojoExtractMessagePipeFromInvitation", invitation, name, len(name), None)
        self.call("MojoClose", invitation)
        return pipe

    def send(self, pipe, payload):
        message = self.new(ctypes.c_size_t, "MojoCreateMessage")
        buffer, size = ctypes.c_void_p(), ctypes.c_uint32()
        places = ctypes.byref(buffer), ctypes.byref(size)
        self.call("MojoAttachSerializedMessageBuffer", message, len(payload), None, 0, *places)
        ctypes.memmove(buffer, payload, len(payload))
        self.call("MojoCommitSerializedMessageContents", message, len(payload), None, None)
        self.call("MojoWriteMessage", pipe, message, 0)

    def receive(self, pipe):
        self.call("MojoWait", pipe, READABLE, ctypes.c_uint64(FOR_EVER), None)
        message = ctypes.c_size_t()
        self.call("MojoReadMessage", pipe, ctypes.byref(message), 0)
        buffer, size = ctypes.c_void_p(), ctypes.c_uint32()
        places = ctypes.byref(buffer), ctypes.byref(size)
        self.call("MojoGetSerializedMessageContents", message, *places, None, None, 0)
        payload = ctypes.string_at(buffer, size.value)
        self.call("MojoDestroyMessage", message)
        return payload


def start(command):
    """Starts a program with a socket, and returns it with the other one."""
    ours, theirs = socket.socketpair()
    number = theirs.fileno()
    environment = dict(os.environ, **{VARIABLE: f"{number}:{os.fstat(number).st_ino}"})
    process = subprocess.Popen(command, env=environment, pass_fds=[number])
    theirs.close()
    return process, ours.detach()


def inherited_socket():
    """The socket that whoever started this process has left to it, if so."""
    number, _, inode = os.environ.pop(VARIABLE, "").partition(":")
    try:
        if int(number) < 3 or os.fstat(int(number)).st_ino != int(inode):
            return None
    except (OSError, ValueError):
        return None
    os.set_inheritable(int(number), False)
    return int(number)


def main():
    mojo = Mojo(sys.argv[1])
    inherited = inherited_socket()
    if inherited is not None:
        pipe = mojo.accept(inherited, b"main")
        mojo.send(pipe, mojo.receive(pipe))
        mojo.call("MojoFlush", ctypes.c_uint64(FOR_EVER))
        return
    process, ours = start(sys.argv[2:] or [sys.executable, __file__, sys.argv[1]])
    pipe = mojo.invite(ours, b"main")
    mojo.send(pipe, b"hello")
    print(mojo.receive(pipe).decode())
    sys.exit(process.wait())


if __name__ == "__main__":
    main()
