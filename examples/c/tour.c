/*
 * A tour of the Mojo C API between two processes.
 *
 * The parent (steps.c) starts this program a second time as its child
 * (child.c), sends it an invitation, and then moves a file over to it in every
 * way the API has to offer. protocol.h tells what the two say to each other.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "file.h"
#include "message.h"
#include "mojo/public/c/system/core.h"
#include "mojo/public/c/system/invitation.h"
#include "protocol.h"
#include "steps.h"

/* The largest shared buffer there is. */
#define MAX_FILE_BYTES (UINT64_C(1) << 30)

#define MAX_PATH_BYTES 4096

/* How the parent starts its child, and where the child finds its socket. */
#define CHILD_ARGUMENT "--tour-child"
#define CHILD_SOCKET 3

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

extern char** environ;

static const char kUsage[] =
    "usage: tour [FILE]\n"
    "       tour --help\n"
    "\n"
    "Starts a child process and moves FILE (by default this program) to it\n"
    "through message pipes, a data pipe, a shared buffer and a descriptor.\n"
    "FILE has at most 1 GiB.\n"
    "\n"
    "bytes is the size of FILE in the steps that move it, and the payload of\n"
    "the messages of both directions in the others. The time of a step that\n"
    "moves FILE includes the child's SHA-256 of it.\n"
    "\n"
    "Exit status: 0 if everything matched, 1 if not, 2 if there is nothing to\n"
    "be done with the arguments or with FILE.\n";

/* ---- Starting the child ---- */

static int spawn(const char* program, int socket, pid_t* child) {
  char* const arguments[] = {(char*)(uintptr_t)program, CHILD_ARGUMENT, NULL};
  posix_spawn_file_actions_t actions;
  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0)
    return error;
  /* The copy stays open across exec, everything else here closes itself. */
  error = posix_spawn_file_actions_adddup2(&actions, socket, CHILD_SOCKET);
  if (error == 0)
    error = posix_spawn(child, program, &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

/* Makes the invitation and its only pipe; consumes |socket|. */
static MojoResult invite(int socket, MojoHandle* pipe) {
  MojoHandle invitation;
  MojoResult result = MojoCreateInvitation(NULL, &invitation);
  if (result != MOJO_RESULT_OK) {
    close(socket);
    return result;
  }

  *pipe = MOJO_HANDLE_INVALID;
  result = MojoAttachMessagePipeToInvitation(
      invitation, PIPE_NAME, (uint32_t)strlen(PIPE_NAME), NULL, pipe);
  if (result == MOJO_RESULT_OK) {
    const MojoPlatformHandle handle = {
        .struct_size = sizeof(handle),
        .type = MOJO_PLATFORM_HANDLE_TYPE_FILE_DESCRIPTOR,
        .value = (uint64_t)socket,
    };
    const MojoInvitationTransportEndpoint endpoint = {
        .struct_size = sizeof(endpoint),
        .type = MOJO_INVITATION_TRANSPORT_TYPE_CHANNEL,
        .num_platform_handles = 1,
        .platform_handles = &handle,
    };
    result = MojoSendInvitation(invitation, NULL, &endpoint, NULL, 0, NULL);
  }
  if (result == MOJO_RESULT_OK)
    return result;
  close(socket);
  close_handle(&invitation);
  close_handle(pipe);
  return result;
}

static bool start_child(struct tour* tour, const char* program) {
  int sockets[2];
  /* Close-on-exec: with a copy of the parent's end the child would never see
   * the parent die. */
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
    fprintf(stderr, "tour: making a socket pair: %s\n", strerror(errno));
    return false;
  }
  int error = spawn(program, sockets[1], &tour->child);
  close(sockets[1]);
  if (error != 0) {
    close(sockets[0]);
    fprintf(stderr, "tour: starting %s: %s\n", program, strerror(error));
    return false;
  }
  MojoResult result = invite(sockets[0], &tour->pipe);
  if (result != MOJO_RESULT_OK)
    fprintf(stderr, "tour: inviting the child: %s\n", result_name(result));
  return result == MOJO_RESULT_OK;
}

/* Whatever happened, no child is left behind. */
static void end_child(struct tour* tour) {
  close_handle(&tour->pipe);
  if (tour->child == 0)
    return;
  kill(tour->child, SIGKILL);
  tour->explained = true; /* That it was killed is no news. */
  wait_for_child(tour);
}

/* ---- The table ---- */

static void print_header(const char* path, uint64_t file_bytes) {
  printf("tour of %s (%llu bytes)\n", path, (unsigned long long)file_bytes);
  printf("%-15s %-7s %14s %12s %12s\n", "step", "result", "bytes", "time",
         "MB/s");
}

static void print_row(const struct tour* tour, bool ok, MojoTimeTicks ticks) {
  /* Ticks are microseconds, and bytes per microsecond are megabytes per
   * second. */
  double rate = ticks > 0 ? (double)tour->moved / (double)ticks : 0.0;
  printf("%-15s %-7s %14llu %9.2f ms %12.1f\n", tour->step,
         ok ? "ok" : "FAILED", (unsigned long long)tour->moved,
         (double)ticks / 1000.0, rate);
}

static bool make_stop(struct tour* tour, const struct tour_stop* stop) {
  tour->step = stop->name;
  tour->moved = 0;
  tour->explained = false;
  MojoTimeTicks begin = MojoGetTimeTicksNow();
  bool ok = stop->run(tour);
  print_row(tour, ok, MojoGetTimeTicksNow() - begin);
  return ok;
}

static bool make_stops(struct tour* tour) {
  bool ok = true;
  for (int i = 0; i < NUM_TOUR_STOPS && !tour->lost; i++)
    ok = make_stop(tour, &kTourStops[i]) && ok;
  return ok;
}

/* ---- FILE ---- */

static bool refuse(const char* path, const char* why) {
  fprintf(stderr, "tour: %s: %s\n", path, why);
  return false;
}

static bool open_file(struct tour* tour, const char* path) {
  /* Non-blocking, or opening a named pipe would wait for a writer. */
  tour->file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (tour->file < 0)
    return refuse(path, strerror(errno));
  struct stat status;
  if (fstat(tour->file, &status) != 0)
    return refuse(path, strerror(errno));
  if (S_ISDIR(status.st_mode))
    return refuse(path, strerror(EISDIR));
  if (!S_ISREG(status.st_mode))
    return refuse(path, "not a regular file");
  tour->file_bytes = (uint64_t)status.st_size;
  if (tour->file_bytes > MAX_FILE_BYTES)
    return refuse(path, "larger than 1 GiB");
  int error = hash_file(tour->file, tour->file_bytes, tour->digest);
  return error == 0 || refuse(path, strerror(error));
}

/* ---- The program ---- */

static int run_tour(const char* path, const char* program) {
  /* A parent that ignores SIGCHLD would never learn its child's status. */
  signal(SIGCHLD, SIG_DFL);
  /* Rows appear as they are made, also in a pipe. */
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);

  struct tour tour = {.file = -1, .step = "start"};
  if (!open_file(&tour, path))
    return EXIT_USAGE;

  bool ok = false;
  if (start_child(&tour, program)) {
    print_header(path, tour.file_bytes);
    ok = make_stops(&tour);
    printf("%s\n", ok ? "everything matched" : "something did not match");
  }
  end_child(&tour);
  close(tour.file);

  if (fflush(stdout) != 0 || ferror(stdout)) {
    fprintf(stderr, "tour: cannot write the table\n");
    return EXIT_FAILED;
  }
  return ok ? EXIT_OK : EXIT_FAILED;
}

static bool find_program(char* path, size_t size) {
  ssize_t length = readlink("/proc/self/exe", path, size);
  if (length < 0 || (size_t)length == size)
    return refuse("/proc/self/exe",
                  length < 0 ? strerror(errno) : strerror(ENAMETOOLONG));
  path[length] = '\0';
  return true;
}

static int usage_error(const char* what, const char* argument) {
  fprintf(stderr, "tour: %s%s (try tour --help)\n", what, argument);
  return EXIT_USAGE;
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], CHILD_ARGUMENT) == 0)
    return run_child(CHILD_SOCKET);
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    fputs(kUsage, stdout);
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
  }

  /* "--" lets the name of FILE begin with a dash. */
  int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;
  if (argc > first + 1)
    return usage_error("too many arguments", "");
  if (first == 1 && argc == 2 && argv[1][0] == '-')
    return usage_error("unknown option ", argv[1]);

  char program[MAX_PATH_BYTES];
  if (!find_program(program, sizeof(program)))
    return EXIT_FAILED;
  return run_tour(argc > first ? argv[first] : program, program);
}
