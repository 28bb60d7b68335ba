/*
 * common.h - what every program of this repository needs but no lesson teaches: starting Winsock,
 * error text, the command line, addresses, the narration on the screen, typed lines.
 *
 * No I/O model is hidden in here: each call that a lesson teaches is made in the chapter's own
 * file.
 */
#ifndef COMMON_H
#define COMMON_H

/* Windows 7 or later: for older versions MinGW hides inet_pton, getaddrinfo and others. */
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0601
#endif

#ifdef _MSC_VER
#pragma warning(push)
#pragma warning(disable : 5105) /* cl /std:c11 warns about headers of older Windows SDKs */
#endif
#define WIN32_LEAN_AND_MEAN /* leaves out much of windows.h, so that compiling takes less time */
#include <winsock2.h>       /* before windows.h, which can include the old winsock.h */
#include <ws2tcpip.h>
#include <windows.h>
#ifdef _MSC_VER
#pragma warning(pop)
#endif

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* cl.exe links the library because of this line; gcc and clang need -lws2_32 after the sources. */
#ifdef _MSC_VER
#pragma comment(lib, "ws2_32")
#endif

/* A function that does not return. cl.exe knows _Noreturn only with /std:c11. */
#ifdef _MSC_VER
#define NORETURN __declspec(noreturn)
#else
#define NORETURN _Noreturn
#endif

/* Lets gcc and clang compare the arguments with the format string, as they do for printf. */
#if defined(__MINGW32__)
#define FORMAT_LIKE_PRINTF(parameter, first)                                                       \
    __attribute__((format(__MINGW_PRINTF_FORMAT, parameter, first)))
#else
#define FORMAT_LIKE_PRINTF(parameter, first)
#endif

/* ---- startup.c: the beginning and the end of a program ------------------------------------- */

/* Starts Winsock 2.2. Call it before any other socket function; stop_winsock undoes it. On failure
 * the program ends with status 1. */
void start_winsock(void);

/* Stops Winsock. Call it after the last socket has been closed. */
void stop_winsock(void);

/* Arranges for stop to be called when Ctrl+C or Ctrl+Break is pressed. The system calls it on a
 * separate thread, so it may only do what is safe while the other threads run: set an event, post a
 * packet. Only the first press calls it: a second one ends the program immediately. On failure the
 * program ends with status 1. */
void call_on_ctrl_c(void (*stop)(void));

/* ---- error.c: what a failure looks like ---------------------------------------------------- */

enum { ERROR_TEXT_SIZE = 320 };

/* Describes an error code of WSAGetLastError, GetLastError or WSAStartup, for example as
 * "WSAECONNRESET (10054): the other side reset the connection". text is an array of
 * ERROR_TEXT_SIZE characters; a longer description is cut. Returns text. */
const char *error_text(int error, char *text);

/* Ends the program with status 1, after one line on standard error:
 *     client: look up my-server: WSAHOST_NOT_FOUND (11001): there is no host of this name
 * error is the code, or 0 to leave that part out; the other arguments, used as in printf, say what
 * was tried, and on what. Pass WSAGetLastError() itself as error, since any call in between may
 * change it. The system frees what the program still holds. */
NORETURN void fail(int error, const char *tried, ...) FORMAT_LIKE_PRINTF(2, 3);

/* ---- arguments.c: the command line, the same for all chapters ------------------------------ */

/* What the command line can set in every program. The strings belong to argv. */
struct arguments {
    bool quiet;       /* --quiet: no narration */
    const char *host; /* an address or a name; default 127.0.0.1 */
    const char *port; /* a number from 0 (a client: 1) to 65535, as text; default 9190 */
};

/* An option that only one program has, followed by a number: --threads 4. A table of them ends with
 * an option without a name. */
struct number_option {
    const char *name; /* with its hyphens: "--threads" */
    int lowest;       /* the smallest and the largest number that is accepted */
    int highest;
    int *number;      /* holds the default, and receives the number from the command line */
    const char *help; /* what --help says about it: one line */
};

/* The name of the running program for messages: "server" for C:\lesson\server.exe. */
extern char program_name[64];

/* Read the command line of a server,  [--quiet] [--host ADDRESS] [PORT],  or of a client,
 * [--quiet] [HOST [PORT]].  --help prints the usage and ends the program with status 0. A wrong
 * command line ends it with status 2, after the reason and the usage on standard error. */
struct arguments read_server_arguments(int argc, char **argv);
struct arguments read_client_arguments(int argc, char **argv);

/* The same for a program with its own options. purpose is what --help says about the program:
 * lines that begin with two spaces and end with \n. */
struct arguments read_server_arguments_with(int argc, char **argv,
                                            const struct number_option *options);
struct arguments read_client_arguments_with(int argc, char **argv, const char *purpose,
                                            const struct number_option *options);

/* ---- address.c: names, addresses and the listening socket ---------------------------------- */

enum { ADDRESS_TEXT_SIZE = 80 };

/* Looks up the TCP addresses, IPv4 or IPv6, of host (an address or a name) and port (a number).
 * Returns a list of at least one address, which the caller frees with freeaddrinfo. On failure the
 * program ends with status 1. */
struct addrinfo *find_addresses(const char *host, const char *port);

/* Writes an address of length bytes as "127.0.0.1:9190" or "[::1]:9190" into text, an array of
 * ADDRESS_TEXT_SIZE characters. Returns text. */
const char *address_text(const struct sockaddr *address, int length, char *text);

/* Binds the new socket to the address, makes it listen, and prints "listening on 127.0.0.1:9190"
 * with the port that the socket really has. The caller still owns the socket. On failure the
 * program ends with status 1. */
void listen_at(SOCKET listener, const struct addrinfo *address);

/* ---- narration.c: one line for each event -------------------------------------------------- */

/* The time on this machine's counter in milliseconds, with fractions finer than a microsecond. All
 * programs that run on the machine read the same counter. */
double now_ms(void);

/* Begins the narration on stream; with quiet there will be none. Call it once, before narrate. If
 * the environment variable NARRATION_LOG names a file, each line also goes there, followed by a tab
 * and its place in the source, as in server.c:120; that is for build.bat replay. */
void start_narration(bool quiet, FILE *stream);

/* narrate(int client, const char *call, const char *what, ...)
 * prints one line. Lines of different threads never mix. The columns:
 *     milliseconds since start_narration, thread id, client, call, what happened
 * client is the number of the client that the line is about, or 0 if it is about none; call is the
 * name of the function; the other arguments, used as in printf, say what happened. */
#define narrate(...) narrate_at(__FILE__, __LINE__, __VA_ARGS__)
void narrate_at(const char *file, int line, int client, const char *call, const char *what, ...)
    FORMAT_LIKE_PRINTF(5, 6);

/* narrate_failure(int client, const char *call, int error)
 * is the same for a call that failed: "failed: WSAECONNRESET (10054): ...". */
#define narrate_failure(...) narrate_failure_at(__FILE__, __LINE__, __VA_ARGS__)
void narrate_failure_at(const char *file, int line, int client, const char *call, int error);

/* Between these two calls nothing is narrated. Call them while no other thread narrates. */
void pause_narration(void);
void resume_narration(void);

enum { EVENTS_TEXT_SIZE = 64 };

/* Writes network events (lNetworkEvents of WSANETWORKEVENTS) as "FD_READ FD_CLOSE" into text, an
 * array of EVENTS_TEXT_SIZE characters. Returns text. */
const char *network_events_text(long network_events, char *text);

/* Prints the last line of a server, also with --quiet: how many clients it has served, how many
 * bytes it has sent back, and how many overlapped operations have not completed (always 0 unless
 * the server has a bug). */
void print_summary(int clients, long long bytes, int pending);

/* ---- input.c: lines from standard input ---------------------------------------------------- */

enum { INPUT_LINE_SIZE = 64 * 1024 };

/* A thread reads standard input, because no wait of Winsock can wait for a keyboard, a file and a
 * pipe alike. It keeps one line at a time: */
struct input {
    char line[INPUT_LINE_SIZE]; /* a line with its line end, or a piece of a longer line */
    int length;                 /* bytes in line; 0: the end (end of input, Ctrl+Z, or a line Q) */

    /* Used by input.c only: */
    void (*ready)(void);
    HANDLE wanted;
};

/* Whether standard input is a console, not a file or a pipe. The first call must come before
 * start_input. */
bool input_is_console(void);

/* Where a client's narration goes: to standard output if input comes from a console, otherwise to
 * standard error. Standard output then holds nothing but the echo: client < file gives the file. */
FILE *client_narration_stream(void);

/* Starts the thread. It reads a line into line and length, calls ready on its own thread, and
 * touches neither of them again before next_line. After length 0 nothing more is read. input must
 * exist until the program ends, because the thread may wait for the keyboard until then. Typed text
 * becomes UTF-8, whatever the console's code page is. Ctrl+Z ends the input, also within a line:
 * what comes before it is a last line without a line end. Unless input comes from a console, bytes
 * pass unchanged, and standard output becomes binary. If the thread cannot start or read, the
 * program ends with status 1. */
void start_input(struct input *input, void (*ready)(void));

/* The caller has finished with the line; the thread may read the next one. */
void next_line(struct input *input);

/* Shows the prompt if input comes from a console. */
void show_prompt(void);

/* Writes length echoed bytes to standard output, and flushes it. A console shows them as UTF-8; a
 * character that is split between two calls is shown when its last byte has come. Call it after
 * start_input. On failure (a full disk, a closed pipe) the program ends with status 1. */
void print_echo(const char *bytes, int length);

#endif
