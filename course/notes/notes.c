/*
 * notes.c - plays each statement of the lecture notes on real sockets.
 *
 *     notes.exe [21 | 22 | 23 | 21.3] ...       without a number: all of them
 *
 * For each: its number and the statement, what was observed, and ok or FAIL. The last line is
 * "N passed, N failed, N skipped". Exit status: 0 if none failed, 1 if one did, 2 for a wrong
 * command line.
 */
#include "notes.h"

#include <stdarg.h>
#include <stdlib.h>

char *huge;

/* ---- what an experiment reports ------------------------------------------------------------ */

static enum { NOTHING, AS_STATED, OTHERWISE, NOT_SEEN } verdict;
static char observation[400];

void observed(bool as_stated, const char *what, ...)
{
    if (verdict == OTHERWISE)
        return;
    verdict = as_stated ? AS_STATED : OTHERWISE;
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(observation, sizeof observation, what, arguments);
    va_end(arguments);
}

void not_seen_here(const char *why)
{
    verdict = NOT_SEEN;
    snprintf(observation, sizeof observation, "%s", why);
}

/* ---- sockets ------------------------------------------------------------------------------- */

SOCKET listen_somewhere(struct sockaddr_in *address)
{
    int length = sizeof *address;
    SOCKET listener = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener == INVALID_SOCKET ||
        bind(listener, (struct sockaddr *)address, sizeof *address) != 0 ||
        listen(listener, SOMAXCONN) != 0 ||
        getsockname(listener, (struct sockaddr *)address, &length) != 0)
        fail(WSAGetLastError(), "listen at 127.0.0.1");
    return listener;
}

struct pair connect_pair(void)
{
    struct sockaddr_in address;
    struct pair pair;
    SOCKET listener = listen_somewhere(&address);

    pair.theirs = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    if (pair.theirs == INVALID_SOCKET ||
        connect(pair.theirs, (struct sockaddr *)&address, sizeof address) != 0)
        fail(WSAGetLastError(), "connect to 127.0.0.1");
    pair.ours = accept(listener, NULL, NULL);
    if (pair.ours == INVALID_SOCKET)
        fail(WSAGetLastError(), "accept at 127.0.0.1");
    closesocket(listener);
    return pair;
}

void close_pair(struct pair pair)
{
    closesocket(pair.ours);
    closesocket(pair.theirs);
}

/* ---- something that happens later ---------------------------------------------------------- */

static DWORD WINAPI run_errand(void *parameter)
{
    struct errand *errand = parameter;
    Sleep(errand->after_ms);
    errand->action(errand->socket);
    return 0;
}

void begin_errand(struct errand *errand, DWORD after_ms, void (*action)(SOCKET), SOCKET socket)
{
    errand->action = action;
    errand->socket = socket;
    errand->after_ms = after_ms;
    errand->thread = CreateThread(NULL, 0, run_errand, errand, 0, NULL);
    if (errand->thread == NULL)
        fail((int)GetLastError(), "CreateThread");
}

void end_errand(struct errand *errand)
{
    WaitForSingleObject(errand->thread, INFINITE);
    CloseHandle(errand->thread);
}

void send_byte(SOCKET socket)
{
    if (send(socket, "x", 1, 0) != 1)
        fail(WSAGetLastError(), "send a byte");
}

void say_something(SOCKET socket)
{
    send_byte(socket);
    Sleep(50); /* the byte takes a moment to arrive */
}

void receive_huge(SOCKET socket)
{
    static char bytes[256 * 1024];
    int left = HUGE_SIZE;
    while (left > 0) {
        int received = recv(socket, bytes, sizeof bytes, 0);
        if (received <= 0)
            fail(WSAGetLastError(), "receive all bytes");
        left -= received;
    }
}

/* ---- the run ------------------------------------------------------------------------------- */

enum { LONGEST_EXPERIMENT_S = 30 };

static int passed, failed, skipped;
static volatile LONG played; /* experiments that have ended */

/* An experiment that hangs ends the run: there is no other way to stop its thread. */
static DWORD WINAPI end_if_it_hangs(void *nothing)
{
    (void)nothing;
    LONG last;
    do {
        last = played;
        Sleep(LONGEST_EXPERIMENT_S * 1000);
    } while (played != last);
    printf("  FAIL it did not end within %d s\n\n%d passed, %d failed, %d skipped\n",
           LONGEST_EXPERIMENT_S, passed, failed + 1, skipped);
    fflush(stdout);
    TerminateProcess(GetCurrentProcess(), 1);
    return 0;
}

static void play(const struct statement *statement)
{
    verdict = NOTHING;
    snprintf(observation, sizeof observation, "nothing was observed");
    printf("%-6s %s\n", statement->number, statement->sentence);
    fflush(stdout);
    statement->play();
    if (verdict == AS_STATED)
        printf("  ok   %s\n\n", observation);
    else if (verdict == NOT_SEEN)
        printf("  skip %s\n\n", observation);
    else
        printf("  FAIL not all of this was seen: %s\n\n", observation);
    fflush(stdout);
    InterlockedIncrement(&played);
    passed += verdict == AS_STATED;
    skipped += verdict == NOT_SEEN;
    failed += verdict != AS_STATED && verdict != NOT_SEEN;
}

/* "21" means all of chapter 21, "21.3" one statement, "ch21_event_select" the same as "21". */
static bool is_wanted(const char *number, const char *word)
{
    if (_strnicmp(word, "ch", 2) == 0)
        return strncmp(number, word + 2, 2) == 0 && strlen(word) >= 4;
    return strcmp(number, word) == 0 || (strlen(word) == 2 && strncmp(number, word, 2) == 0);
}

static int play_wanted(const char *word)
{
    static const struct statement *const chapters[] = {statements_21, statements_22, statements_23};
    int count = 0;
    for (size_t i = 0; i < sizeof chapters / sizeof chapters[0]; i++) {
        for (const struct statement *each = chapters[i]; each->number != NULL; each++) {
            if (word == NULL || is_wanted(each->number, word)) {
                play(each);
                count++;
            }
        }
    }
    return count;
}

int main(int argc, char **argv)
{
    start_winsock();
    CloseHandle(CreateThread(NULL, 0, end_if_it_hangs, NULL, 0, NULL));
    huge = calloc(HUGE_SIZE, 1);
    if (huge == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a long message");
    for (int i = 1; i < argc; i++) {
        if (play_wanted(argv[i]) == 0) {
            fprintf(stderr,
                    "notes: no statement has this number: %s\n"
                    "usage: notes [21 | 22 | 23 | 21.3] ...\n",
                    argv[i]);
            return 2;
        }
    }
    if (argc == 1)
        play_wanted(NULL);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    free(huge);
    stop_winsock();
    return failed == 0 ? 0 : 1;
}
