/*
 * common.h - what every program of this repository needs and no lesson is about: starting
 * Winsock, error text, arguments, addresses, the narration on the screen, typed lines.
 *
 * No I/O model hides in here: each call that a lesson is about stands in its chapter's own file.
 */
#ifndef COMMON_H
#define COMMON_H

/* Windows 7 and later. MinGW hides inet_pton, getaddrinfo and others from older versions. */
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0601
#endif

#ifdef _MSC_VER
#pragma warning(push)
#pragma warning(disable : 5105) /* cl /std:c11 warns of the headers of older Windows SDKs */
#endif
#define WIN32_LEAN_AND_MEAN /* leaves out much of windows.h, so that compiling takes less time */
#include <winsock2.h>       /* before windows.h, which would otherwise bring in the old winsock.h */
#include <ws2tcpip.h>
#include <windows.h>
#ifdef _MSC_VER
#pragma warning(pop)
#endif

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* cl.exe links the library on its own; gcc and clang need -lws2_32 after the sources. */
#ifdef _MSC_VER
#pragma comment(lib, "ws2_32")
#endif

/* A function that does not return. cl.exe knows _Noreturn only with /std:c11. */
#ifdef _MSC_VER
#define NORETURN __declspec(noreturn)
#else
#define NORETURN _Noreturn
#endif

/* Lets gcc and clang compare the arguments with the format, as they do for printf. */
#if defined(__MINGW32__)
#define FORMAT_LIKE_PRINTF(parameter, first)                                                       \
    __attribute__((format(__MINGW_PRINTF_FORMAT, parameter, first)))
#else
#define FORMAT_LIKE_PRINTF(parameter, first)
#endif

/* ---- startup.c: the beginning and the end of a program ------------------------------------- */

/* Starts Winsock 2.2; call it before any other socket function. On failure the program ends
 * with status 1. Undo it with stop_winsock. */
void start_winsock(void);

/* The counterpart of start_winsock; call it after the last socket is closed. */
void stop_winsock(void);

/* Arranges that stop is called when Ctrl+C or Ctrl+Break is pressed. The system calls it on a
 * thread of its own, at the first press only: a second press ends the program at once, orderly or
 * not. On failure the program ends with status 1. */
void call_on_ctrl_c(void (*stop)(void));

/* ---- error.c: what a failure looks like ---------------------------------------------------- */

enum { ERROR_TEXT_SIZE = 320 };

/* Writes an error as "WSAECONNRESET (10054): the other side reset the connection" into text, an
 * array of ERROR_TEXT_SIZE characters, cut if it is longer. The error is a code of
 * WSAGetLastError, GetLastError or WSAStartup. Returns text. */
const char *error_text(int error, char *text);

/* Ends the program with status 1 after one line on standard error:
 *     server: bind 127.0.0.1:9190: WSAEADDRINUSE (10048): another program already uses this port
 * error is the code (0: there is none, and its part is left out); the rest, used like printf,
 * says what was tried and on what. Pass WSAGetLastError() itself as error: any call in between
 * may change it. What the program holds is freed by the system as it ends. */
NORETURN void fail(int error, const char *tried, ...) FORMAT_LIKE_PRINTF(2, 3);

/* ---- arguments.c: the command line, the same for all chapters ------------------------------ */

enum { MAX_DEPTH = 64 };

struct arguments {
    bool quiet;       /* --quiet: no narration */
    const char *host; /* an address or a name; default 127.0.0.1 */
    const char *port; /* a number from 0 to 65535 as text; default 9190 */
    int threads;      /* --threads: 1 to 64; default the number of processors */

    /* A load: */
    int connections; /* --connections: 1 to 10000; 0: no load, but a conversation */
    int messages;    /* --messages: on each connection, 1 to 1000000; default 100 */
    int size;        /* --size: bytes of a message, 1 to 1000000; default 64 */
    int depth;       /* --depth: messages of a connection on their way, 1 to MAX_DEPTH; default 1 */
    int seconds;     /* --seconds: no new messages after that, 1 to 3600; default 60 */
};

/* The name of the running program for messages: "server" for C:\lesson\server.exe. */
extern char program_name[64];

/* Read  [--quiet] [--host ADDRESS] [PORT],  the same with  [--threads N],
 * [--quiet] [HOST [PORT]],  and the same with the options of a load.
 * The strings belong to argv. --help prints the usage and ends the program with status 0; a wrong
 * command line ends it with status 2, after the reason and the usage on standard error. */
struct arguments read_server_arguments(int argc, char **argv);
struct arguments read_threaded_server_arguments(int argc, char **argv);
struct arguments read_client_arguments(int argc, char **argv);
struct arguments read_load_client_arguments(int argc, char **argv);

/* ---- address.c: names, addresses and the listening socket ---------------------------------- */

enum { ADDRESS_TEXT_SIZE = 80 };

/* The addresses, IPv4 or IPv6, that stand for host and port, as a list of at least one. The
 * caller frees it with freeaddrinfo. On failure the program ends with status 1. */
struct addrinfo *find_addresses(const char *host, const char *port);

/* Writes an address as "127.0.0.1:9190" or "[::1]:9190" into text, an array of ADDRESS_TEXT_SIZE
 * characters. Returns text. */
const char *address_text(const struct sockaddr *address, int length, char *text);

/* Binds a new socket to the address, lets it listen, and prints "listening on 127.0.0.1:9190"
 * with the port that it really got. The socket stays the caller's. On failure the program ends
 * with status 1. */
void listen_at(SOCKET listener, const struct addrinfo *address);

/* ---- narration.c: one line for each event -------------------------------------------------- */

/* Milliseconds on the counter of this machine, which all its programs read alike. */
double now_ms(void);

/* Begins the narration on stream, or suppresses it if quiet. Call it once, before narrate. */
void start_narration(bool quiet, FILE *stream);

/* Prints one line, in one piece whichever threads write at the same time:
 *     milliseconds since start_narration, thread id, client, call, what happened
 * client is the number of the client that it is about, 0 if it is about none; call is the name of
 * the function; the rest, used like printf, says what happened. */
void narrate(int client, const char *call, const char *what, ...) FORMAT_LIKE_PRINTF(3, 4);

/* The same for a call that failed: "failed: WSAECONNRESET (10054): ...". */
void narrate_failure(int client, const char *call, int error);

enum { EVENTS_TEXT_SIZE = 64 };

/* Writes network events (WSANETWORKEVENTS.lNetworkEvents) as "FD_READ FD_CLOSE" into text, an
 * array of EVENTS_TEXT_SIZE characters. Returns text. */
const char *network_events_text(long network_events, char *text);

/* Prints the closing line of a server, also with --quiet. */
void print_summary(int clients, long long bytes, int pending);

/* ---- input.c: lines from standard input ---------------------------------------------------- */

enum { INPUT_LINE_SIZE = 64 * 1024 };

/* A thread reads standard input line by line, because no wait of Winsock can wait for a keyboard,
 * a file and a pipe alike. It keeps one line at a time: */
struct input {
    char line[INPUT_LINE_SIZE]; /* a line with its line end, or a piece of a longer line */
    int length;                 /* bytes in line; 0: the end (end of input, Ctrl+Z, or a line Q) */

    /* Used by input.c only: */
    void (*ready)(void);
    HANDLE wanted;
};

/* Whether standard input is a console, and not a file or a pipe. The first call, and no later one,
 * asks the system; it must come before start_input. */
bool somebody_types(void);

/* Where a client's narration goes: to standard output if somebody types, else to standard error,
 * because then what comes back has standard output to itself (client < file gives the file). */
FILE *client_narration_stream(void);

/* Starts the thread. It fills line and length, calls ready on its own thread, and waits until
 * next_line before it touches them again. After length 0 there is nothing more to come.
 * input must live until the program ends, for the thread may be waiting for the keyboard until
 * then. Unless somebody types, standard output becomes binary, so that bytes pass unchanged.
 * On failure to start or to read the program ends with status 1. */
void start_input(struct input *input, void (*ready)(void));

/* The line is done with: the thread may read the next one. */
void next_line(struct input *input);

/* Shows the prompt if somebody types. */
void show_prompt(void);

/* Writes bytes that came back to standard output, at once. On failure (a full disk, a closed
 * pipe) the program ends with status 1. */
void print_echo(const char *bytes, int length);

/* ---- load.c: what a load of messages consists of, and what is measured of it ---------------- */

/* What the connection with this number sends as its bytes from position on, and what must come
 * back: each connection something else, and hardly ever the same twice. At least so many bytes as
 * were passed to make_load_content, which is called once before; the program ends with status 1
 * if there is no memory for it. The bytes live until the program ends. */
void make_load_content(int longest);
const char *load_content(int connection, long long position);

/* Microseconds since some fixed moment. */
long long now_microseconds(void);

enum { LATENCY_CLASSES = 4096 };

/* What has come back so far. All zero to begin with. */
struct load_result {
    int connections;        /* that were made */
    int lost;               /* that failed, that ended too early, or that brought a wrong byte */
    long long messages;     /* that came back as a whole */
    long long bytes;        /* that came back, and were the right ones */
    long long microseconds; /* since the first message began to be sent */
    long long longest_latency;
    long long latencies[LATENCY_CLASSES]; /* how many messages of each class: see load.c */
};

/* A message has come back, so many microseconds after it began to be sent. */
void add_latency(struct load_result *result, long long microseconds);

/* If standard output is a console, prints a line for each second of result->microseconds. open:
 * how many connections are open. */
void print_load_progress(const struct load_result *result, int open);

/* Prints messages and megabytes (of 1,000,000 bytes, counted once though they go there and back) a
 * second, the latencies (half of the messages took at most p50, 99 of 100 at most p99), and what
 * was lost. */
void print_load_result(const struct load_result *result);

#endif
