/*
 * check.c - checks the behaviour of the servers and clients.
 *
 *     check.exe [--only WORD] [--program NAME] [--options WORDS] [--storm SECONDS] FOLDER ...
 *     check.exe --exercise NAME [--stop-at-failure] FOLDER
 *     check.exe --hint NAME NUMBER FOLDER
 *     check.exe --list
 *
 * FOLDER holds the programs of a chapter (build\ch21_event_select). Each of them is started as a
 * child process on a free port. Several folders are checked side by side. One line a check:
 *
 *     ok       the program behaves
 *     FAIL     it does not: what was expected, what came, where to look
 *     TIMEOUT  it did not do in time what it should: which wait never ended
 *     ENV      the machine is in the way, not the program
 *     skip     cannot be checked here, with the reason
 *
 * The last line is "N passed, N failed, N skipped", for an exercise the score: 3/5. Exit status: 0 if
 * none failed, 1 if one did, 2 for a wrong command line. All of it is also written to a report in
 * FOLDER, together with --compiler NAME. Only checks whose name contains WORD are run with --only; --options
 * are more arguments for the servers; --storm makes the mixed storm longer. The last two are for one
 * FOLDER: check.exe --only storm --storm 300 --options "--threads 4" build\ch23_iocp
 */
#include "homework.h"

#include <stdarg.h>
#include <stdlib.h>

char program_path[300];
const char *server_options = "";
int storm_seconds = DEFAULT_STORM_SECONDS;
int patience_ms = 10000;
unsigned char pattern[PATTERN_SIZE];

/* ---- one check ----------------------------------------------------------------------------- */

static CRITICAL_SECTION noting;
static enum verdict verdict_noted;
static char what_noted[600];
static const char *hint_noted;

void trouble(enum verdict verdict, const char *hint, const char *what, ...)
{
    EnterCriticalSection(&noting);
    if (verdict_noted == PASSED) {
        va_list arguments;
        va_start(arguments, what);
        vsnprintf(what_noted, sizeof what_noted, what, arguments);
        va_end(arguments);
        hint_noted = hint;
        verdict_noted = verdict;
    }
    LeaveCriticalSection(&noting);
}

bool in_trouble(void)
{
    EnterCriticalSection(&noting);
    bool noted = verdict_noted != PASSED;
    LeaveCriticalSection(&noting);
    return noted;
}

static int passed, failed, skipped;
static bool stop_at_failure;

static void talk_to_server(const struct check *check)
{
    struct process server;
    int port;

    if (!start_server(&server, check->options, &port))
        return;
    check->talk(&server, port);
    stop_server(&server);
}

static void run_check(const struct check *check, const char *chapter, const char *program)
{
    static const char *const words[] = {"ok", "FAIL", "TIMEOUT", "ENV", "skip"};
    double begun = now_ms();

    verdict_noted = PASSED;
    if (check->run != NULL)
        check->run();
    else
        talk_to_server(check);
    say("%-7s  %s %s: %s", words[verdict_noted], chapter, program, check->name);
    if (verdict_noted == PASSED)
        say(" (%.1f s)\n", (now_ms() - begun) / 1000);
    else if (verdict_noted == SKIPPED)
        say(": %s\n", what_noted);
    else
        say("\n         %s\n         look at: %s\n", what_noted, hint_noted);
    passed += verdict_noted == PASSED;
    skipped += verdict_noted == SKIPPED;
    failed += verdict_noted != PASSED && verdict_noted != SKIPPED;
}

/* ---- the program under test ---------------------------------------------------------------- */

bool start_server(struct process *server, const char *options, int *port)
{
    for (int attempt = 1;; attempt++) {
        char command[500], tag[16];

        *port = free_port();
        snprintf(tag, sizeof tag, "%d", *port);
        snprintf(command, sizeof command, "\"%s\" %s %s %s", program_path, server_options, options,
                 tag);
        if (!start_process(server, command, tag, NULL, NULL)) {
            char text[ERROR_TEXT_SIZE];
            trouble(NO_CHANCE, "is it built?", "%s cannot be started: %s", program_path,
                    error_text((int)GetLastError(), text));
            return false;
        }
        int listening = listening_port(server, patience_ms);
        if (listening == *port)
            return true;
        bool taken = strstr(server->error.bytes, "WSAEADDRINUSE") != NULL;
        if (taken && attempt == 3)
            trouble(NO_CHANCE, "run it again", "other programs take the free ports");
        else if (!taken)
            trouble(listening == 0 ? TIMED_OUT : FAILED, "listen_at, and the flush after it",
                    "expected \"listening on 127.0.0.1:%d\", found \"%.200s\" and on standard "
                    "error \"%.200s\"",
                    *port, server->output.bytes, server->error.bytes);
        end_process(server);
        if (in_trouble())
            return false;
    }
}

void stop_server(struct process *server)
{
    DWORD status = 0;

    if (server->handle == NULL)
        return;
    double begun = now_ms();
    if (!press_ctrl_c(server)) {
        trouble(NO_CHANCE, "does this program have a console?", "Ctrl+C could not be sent");
    } else if (!wait_for_exit(server, patience_ms, &status)) {
        trouble(TIMED_OUT, "the stop event in the wait; what stop_serving waits for",
                "the server did not end within %d s after Ctrl+C", patience_ms / 1000);
    } else if (status != 0) {
        trouble(FAILED, "the end of main",
                "expected exit status 0 after Ctrl+C, found %lu (%.200s)", status,
                server->error.bytes);
    } else if (now_ms() - begun > 2000) {
        trouble(FAILED, "what stop_serving waits for",
                "expected the end within 2 s after Ctrl+C, found %.1f s",
                (now_ms() - begun) / 1000);
    } else if (strstr(server->output.bytes, "summary: ") == NULL ||
               strstr(server->output.bytes, ", 0 operations pending") == NULL) {
        trouble(FAILED, "print_summary",
                "expected \"summary: ... 0 operations pending\", found \"%.200s\"",
                server->output.bytes);
    }
    end_process(server);
}

/* ---- peers --------------------------------------------------------------------------------- */

int wait_for_socket(SOCKET peer, int wanted, DWORD milliseconds)
{
    fd_set readable, writable, broken;
    struct timeval time = {(long)(milliseconds / 1000), (long)(milliseconds % 1000 * 1000)};

    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_ZERO(&broken);
    if (wanted & READABLE)
        FD_SET(peer, &readable);
    if (wanted & WRITABLE) {
        FD_SET(peer, &writable);
        FD_SET(peer, &broken); /* a connect that failed */
    }
    if (select(0, &readable, &writable, &broken, &time) <= 0)
        return 0;
    return (FD_ISSET(peer, &readable) ? READABLE : 0) |
           (FD_ISSET(peer, &writable) || FD_ISSET(peer, &broken) ? WRITABLE : 0);
}

static void call_failed(const char *call, int error)
{
    char text[ERROR_TEXT_SIZE];
    trouble(FAILED, "does the server close this client, or end?", "%s: %s", call,
            error_text(error, text));
}

SOCKET connect_peer(int port)
{
    struct sockaddr_in address;
    u_long yes = 1;
    SOCKET peer = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((u_short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (peer == INVALID_SOCKET) {
        trouble(NO_CHANCE, "the limits of this machine", "no more sockets for the check");
        return INVALID_SOCKET;
    }
    ioctlsocket(peer, FIONBIO, &yes);
    if (connect(peer, (struct sockaddr *)&address, sizeof address) == 0)
        return peer;
    int error = WSAGetLastError();
    int size = sizeof error;
    if (error == WSAEWOULDBLOCK) {
        if (wait_for_socket(peer, WRITABLE, patience_ms) == 0)
            error = WSAETIMEDOUT;
        else
            getsockopt(peer, SOL_SOCKET, SO_ERROR, (char *)&error, &size);
    }
    if (error == 0)
        return peer;
    call_failed("connect to the server", error);
    closesocket(peer);
    return INVALID_SOCKET;
}

/* Sends what can be sent at once. Returns the bytes sent, or -1 after noting trouble. */
static int send_some(SOCKET peer, const unsigned char *bytes, size_t length)
{
    int sent = send(peer, (const char *)bytes, (int)length, 0);
    if (sent != SOCKET_ERROR)
        return sent;
    int error = WSAGetLastError();
    if (error == WSAEWOULDBLOCK)
        return 0;
    call_failed("send to the server", error);
    return -1;
}

/* The first bytes, for a message: those that are no letters, digits or signs as \n or \x00. */
enum { SHOWN_BYTES = 24, SHOWN_SIZE = 4 * SHOWN_BYTES + 1 };

static const char *show_bytes(char *text, const char *bytes, size_t length)
{
    char *end = text;
    *end = '\0';
    for (size_t i = 0; i < length && i < SHOWN_BYTES; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\n' || c == '\r')
            end += sprintf(end, c == '\n' ? "\\n" : "\\r");
        else
            end += sprintf(end, c >= ' ' && c <= '~' ? "%c" : "\\x%02x", c);
    }
    return text;
}

/* Receives what is there and compares it. Returns the bytes received, or -1 after trouble. */
static int receive_some(SOCKET peer, const unsigned char *expected, size_t length)
{
    char bytes[32 * 1024];
    int wanted = length < sizeof bytes ? (int)length : (int)sizeof bytes;
    int received = recv(peer, bytes, wanted, 0);
    if (received == SOCKET_ERROR) {
        int error = WSAGetLastError();
        if (error == WSAEWOULDBLOCK)
            return 0;
        call_failed("receive from the server", error);
        return -1;
    }
    if (received == 0) {
        trouble(FAILED, "which bytes are still to be sent when the client is closed?",
                "expected %lu more bytes, found the end of the connection", (unsigned long)length);
        return -1;
    }
    if (memcmp(bytes, expected, (size_t)received) != 0) {
        char text[SHOWN_SIZE], expected_text[SHOWN_SIZE];
        size_t same = 0, left = (size_t)received;
        while (bytes[same] == (char)expected[same])
            same++;
        left -= same;
        trouble(FAILED, "what is in the buffer when it is sent, and where does a short send go on?",
                "expected \"%s\", found \"%s\"",
                show_bytes(expected_text, (const char *)expected + same, left),
                show_bytes(text, bytes + same, left));
        return -1;
    }
    return received;
}

bool send_all(SOCKET peer, const unsigned char *bytes, size_t length)
{
    while (length > 0) {
        if (wait_for_socket(peer, WRITABLE, patience_ms) == 0) {
            trouble(TIMED_OUT, "what makes the server receive again?",
                    "the server takes no more bytes");
            return false;
        }
        int sent = send_some(peer, bytes, length < 65536 ? length : 65536);
        if (sent < 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

bool receive_exactly(SOCKET peer, const unsigned char *expected, size_t length)
{
    while (length > 0) {
        if (wait_for_socket(peer, READABLE, patience_ms) == 0) {
            trouble(TIMED_OUT, "what makes the server send again?", "%lu bytes never came back",
                    (unsigned long)length);
            return false;
        }
        int received = receive_some(peer, expected, length);
        if (received < 0)
            return false;
        expected += received;
        length -= (size_t)received;
    }
    return true;
}

bool receive_end(SOCKET peer)
{
    char byte;

    if (wait_for_socket(peer, READABLE, patience_ms) == 0) {
        trouble(TIMED_OUT, "what happens when recv returns 0, or FD_CLOSE comes?",
                "the server never closed the connection");
        return false;
    }
    int received = recv(peer, &byte, 1, 0);
    if (received == SOCKET_ERROR)
        call_failed("receive the end from the server", WSAGetLastError());
    else if (received > 0)
        trouble(FAILED, "how many bytes are sent back?",
                "expected the end of the connection, found more bytes");
    return received == 0;
}

bool exchange(SOCKET peer, const unsigned char *bytes, size_t length, size_t piece)
{
    return exchange_for(peer, bytes, bytes, length, piece);
}

bool exchange_for(SOCKET peer, const unsigned char *bytes, const unsigned char *expected,
                  size_t length, size_t piece)
{
    size_t sent = 0, received = 0;

    while (received < length) {
        int wanted = READABLE | (sent < length ? WRITABLE : 0);
        int ready = wait_for_socket(peer, wanted, patience_ms);
        if (ready == 0) {
            trouble(TIMED_OUT, "what makes the server send, or receive, again?",
                    "%lu bytes sent, only %lu came back, and then nothing", (unsigned long)sent,
                    (unsigned long)received);
            return false;
        }
        if (ready & READABLE) {
            int n = receive_some(peer, expected + received, length - received);
            if (n < 0)
                return false;
            received += (size_t)n;
        }
        if (ready & WRITABLE) {
            int n = send_some(peer, bytes + sent, length - sent < piece ? length - sent : piece);
            if (n < 0)
                return false;
            sent += (size_t)n;
        }
    }
    return true;
}

void converse(int port, const unsigned char *bytes, size_t length, size_t piece)
{
    SOCKET peer = connect_peer(port);
    if (peer == INVALID_SOCKET)
        return;
    if (exchange(peer, bytes, length, piece)) {
        shutdown(peer, SD_SEND);
        receive_end(peer);
    }
    closesocket(peer);
}

void reset_peer(SOCKET peer)
{
    struct linger hard = {1, 0}; /* no lingering: closesocket sends a reset */
    setsockopt(peer, SOL_SOCKET, SO_LINGER, (const char *)&hard, sizeof hard);
    closesocket(peer);
}

/* ---- the run ------------------------------------------------------------------------------- */

static void fill_pattern(void)
{
    unsigned long long x = 88172645463325252ull; /* xorshift64 */
    for (size_t i = 0; i < PATTERN_SIZE; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        pattern[i] = (unsigned char)(x >> 32);
    }
}

static bool exists(const char *folder, const char *program)
{
    snprintf(program_path, sizeof program_path, "%s\\%s.exe", folder, program);
    return GetFileAttributesA(program_path) != INVALID_FILE_ATTRIBUTES;
}

/* ch21_event_select of build\ch21_event_select */
static const char *last_part(const char *folder)
{
    const char *last = folder;
    for (const char *c = folder; *c != '\0'; c++) {
        if ((*c == '\\' || *c == '/') && c[1] != '\0')
            last = c + 1;
    }
    return last;
}

static void run_checks(const struct check *checks, const char *folder, const char *program,
                       const char *only)
{
    for (const struct check *check = checks; check->name != NULL; check++) {
        if (stop_at_failure && failed > 0)
            return;
        if (only == NULL || strstr(check->name, only) != NULL)
            run_check(check, last_part(folder), program);
    }
}

/* Returns false if the folder has no program to check. */
static bool check_folder(const char *folder, const char *wanted, const char *only)
{
    static const struct {
        const char *program;
        const struct check *checks;
    } programs[] = {
        {"server", server_checks},
        {"select_server", server_checks},
        {"client", client_checks},
        {"client", load_checks},
    };
    bool found = false;

    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        if (wanted != NULL && strcmp(wanted, programs[i].program) != 0)
            continue;
        if (exists(folder, programs[i].program) &&
            (programs[i].checks != load_checks || client_makes_load())) {
            run_checks(programs[i].checks, folder, programs[i].program, only);
            found = true;
        }
    }
    /* Any other program that is named is a server. */
    if (!found && wanted != NULL && exists(folder, wanted)) {
        run_checks(server_checks, folder, wanted, only);
        found = true;
    }
    return found;
}

/* The checks of the exercise itself, then those of the chapter that must still hold. */
static void check_exercise(const char *folder, const struct exercise *exercise)
{
    const char *name = last_part(folder);

    patience_ms = 4000;
    server_options = exercise->options;
    say("%s: %s\n", exercise->name, exercise->goal);
    if (!exists(folder, "server")) {
        say("ENV      %s: no server to check: is it built?\n", name);
        failed++;
        return;
    }
    run_checks(exercise->checks, folder, "server", NULL);
    for (int i = 0; i < MOST_REUSED && exercise->reused[i] != NULL; i++)
        run_checks(server_checks, folder, "server", exercise->reused[i]);
    if (failed > 0)
        say("For a hint: %s hint %s %s 1\n", build_command(), name, exercise->name);
    say("%d/%d\n", passed, passed + failed);
}

static int wrong_exercise(const char *name)
{
    fprintf(stderr, "check: there is no exercise %s. There are:\n", name);
    for (const struct exercise *exercise = exercises; exercise->name != NULL; exercise++)
        fprintf(stderr, "    %-9s %s\n", exercise->name, exercise->goal);
    return 2;
}

/* ---- several folders ----------------------------------------------------------------------- */

enum { SIDE_BY_SIDE = 4, MAX_FOLDERS = 64 };

static const char *compiler = "unknown";

static bool start_own_check(struct process *process, const char *folder, const char *program,
                            const char *only)
{
    char command[600];

    /* Without a path: the system looks in the folder of this program first. Its full path may have
     * letters that the code page lacks. */
    snprintf(command, sizeof command, "check --compiler %s%s%s%s%s%s%s \"%s\"", compiler,
             program != NULL ? " --program \"" : "", program != NULL ? program : "",
             program != NULL ? "\"" : "", only != NULL ? " --only \"" : "",
             only != NULL ? only : "", only != NULL ? "\"" : "", folder);
    return start_process(process, command, folder, NULL, "");
}

/* "N passed, N failed, N skipped": adds the numbers to ours. */
static bool is_closing_line(const char *line)
{
    char *rest;
    int more_passed = (int)strtol(line, &rest, 10);
    if (rest == line || strncmp(rest, " passed, ", 9) != 0)
        return false;
    passed += more_passed;
    failed += (int)strtol(rest + 9, &rest, 10);
    skipped += (int)strtol(rest + strlen(" failed, "), NULL, 10);
    return true;
}

/* Prints what a run prints, as it comes. False if the closing line is missing. */
static bool print_and_count(struct process *process)
{
    struct capture *output = &process->output;
    size_t printed = 0;
    bool ended = false, counted = false;

    while (!ended) {
        wait_for_length(output, printed + 1, 1000);
        EnterCriticalSection(&output->lock);
        ended = output->ended;
        const char *end;
        while ((end = strchr(output->bytes + printed, '\n')) != NULL) {
            const char *line = output->bytes + printed;
            printed = (size_t)(end + 1 - output->bytes);
            if (is_closing_line(line))
                counted = true;
            else
                printf("%.*s\n", (int)strcspn(line, "\r\n"), line);
        }
        fflush(stdout);
        LeaveCriticalSection(&output->lock);
    }
    return counted;
}

/* The checks mostly wait, so that those of several folders take little longer than those of one. */
static void check_side_by_side(const char *const *folders, int count, const char *program,
                               const char *only)
{
    static struct process runs[MAX_FOLDERS];
    int started = 0;

    for (int i = 0; i < count; i++) {
        for (; started < count && started < i + SIDE_BY_SIDE; started++) {
            if (!start_own_check(&runs[started], folders[started], program, only))
                fail((int)GetLastError(), "start the checks of %s", folders[started]);
        }
        if (!print_and_count(&runs[i])) {
            printf("ENV      %s: its checks ended without their closing line\n", folders[i]);
            failed++;
        }
        end_process(&runs[i]);
    }
}

static int usage(void)
{
    fprintf(stderr, "usage: check [--only WORD] [--program NAME] [--options WORDS] "
                    "[--storm SECONDS] FOLDER ...\n"
                    "       check --exercise NAME [--stop-at-failure] FOLDER\n"
                    "       check --hint NAME NUMBER FOLDER\n"
                    "       check --list\n");
    return 2;
}

/* The last line of defence: whatever hangs, the run ends. */
static DWORD WINAPI end_after_a_while(void *nothing)
{
    (void)nothing;
    Sleep((15 * 60 + (DWORD)storm_seconds) * 1000);
    printf("TIMEOUT  the checks did not end within 15 minutes\n%d passed, %d failed, %d skipped\n",
           passed, failed + 1, skipped);
    fflush(stdout);
    TerminateProcess(GetCurrentProcess(), 1);
    return 0;
}

int main(int argc, char **argv)
{
    const char *only = NULL, *program = NULL, *name = NULL, *hint = NULL, *folders[MAX_FOLDERS];
    int count = 0;

    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        print_exercises();
        return 0;
    }

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else if (strcmp(argv[i], "--program") == 0 && i + 1 < argc)
            program = argv[++i];
        else if (strcmp(argv[i], "--options") == 0 && i + 1 < argc)
            server_options = argv[++i];
        else if (strcmp(argv[i], "--storm") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0)
            storm_seconds = atoi(argv[++i]);
        else if (strcmp(argv[i], "--compiler") == 0 && i + 1 < argc)
            compiler = argv[++i];
        else if (strcmp(argv[i], "--stop-at-failure") == 0)
            stop_at_failure = true;
        else if (strcmp(argv[i], "--exercise") == 0 && i + 1 < argc)
            name = argv[++i];
        else if (strcmp(argv[i], "--hint") == 0 && i + 2 < argc) {
            name = argv[++i];
            hint = argv[++i];
        } else if (argv[i][0] != '-' && count < MAX_FOLDERS)
            folders[count++] = argv[i];
        else
            return usage();
    }
    if (count == 0 || (name != NULL && count > 1))
        return usage();
    const struct exercise *exercise = name != NULL ? find_exercise(name) : NULL;
    if (name != NULL && exercise == NULL)
        return wrong_exercise(name);
    if (hint != NULL)
        return print_hint(exercise, atoi(hint), folders[0]) ? 0 : 2;

    InitializeCriticalSection(&noting);
    start_winsock();
    CloseHandle(CreateThread(NULL, 0, end_after_a_while, NULL, 0, NULL));
    if (count > 1) {
        check_side_by_side(folders, count, program, only);
    } else {
        fill_pattern();
        /* The report is about all checks, or about none. */
        if (program == NULL && only == NULL && !stop_at_failure)
            begin_report(folders[0], exercise != NULL ? exercise->name : "checks", compiler);
        if (exercise != NULL) {
            check_exercise(folders[0], exercise);
        } else if (!check_folder(folders[0], program, only)) {
            say("ENV      %s: no program to check: is it built?\n", folders[0]);
            failed++;
        } else if (passed + failed + skipped == 0) {
            say("ENV      no check has a name with \"%s\"\n", only);
            failed++;
        }
    }
    if (exercise == NULL)
        say("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    end_report();
    stop_winsock();
    return failed == 0 ? 0 : 1;
}
