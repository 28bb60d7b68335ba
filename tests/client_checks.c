/* client_checks.c - what every client promises, against a scripted server. See client_checks.h. */
#include "client_checks.h"
#include "peers.h"
#include "scripted_server.h"

#include <stdlib.h>

/* ---- a client as a child process ----------------------------------------------------------- */

struct feed {
    struct process *client;
    const void *bytes;
    size_t length;
};

/* On its own thread: the pipe takes no more while the client waits for its echo to be read. */
static DWORD WINAPI feed_input(void *parameter)
{
    struct feed *feed = parameter;
    write_input(feed->client, feed->bytes, feed->length);
    close_input(feed->client);
    return 0;
}

static void compare(struct process *client, DWORD status, const struct expectation *expected)
{
    char error[OUTPUT_SIZE], text[STATUS_SIZE];
    size_t length = client->output.length;

    show_output(error, &client->error);
    if (status != expected->status)
        trouble(FAILED, "the end of main, and each fail()",
                "expected exit status %lu, found %s, and on standard error \"%s\"",
                expected->status, status_text(text, status), error);
    else if (expected->output != NULL && length != expected->length)
        trouble(FAILED, "what has been counted when the end comes?",
                "expected %lu bytes on standard output, found %lu", (unsigned long)expected->length,
                (unsigned long)length);
    else if (expected->output != NULL &&
             memcmp(client->output.bytes, expected->output, length) != 0)
        trouble(FAILED, "print_echo, and the mode of standard output",
                "expected the bytes of the input on standard output, found other bytes");
    else if (expected->error == NULL && client->error.length != 0)
        trouble(FAILED, "--quiet", "expected nothing on standard error, found \"%s\"", error);
    else if (expected->error != NULL && !has_printed(&client->error, expected->error))
        trouble(FAILED, "the arguments of fail()",
                "expected \"%s\" on standard error, found \"%s\"", expected->error, error);
}

int long_run_ms(void)
{
    return verified ? 90000 : 30000;
}

void run_client(const char *arguments, const void *bytes, size_t length, bool keep_open,
                const struct expectation *expected)
{
    struct process client;
    DWORD status = 0;
    HANDLE thread = NULL;

    if (!start_program(&client, arguments))
        return;
    struct feed feed = {&client, bytes, length};
    if (keep_open)
        write_input(&client, bytes, length);
    else
        thread = CreateThread(NULL, 0, feed_input, &feed, 0, NULL);
    if (!wait_for_exit(&client, (DWORD)long_run_ms(), &status))
        trouble(TIMED_OUT, "the end of the input, FD_CLOSE, and the wait between them",
                "the client did not end within %d s; it printed %lu bytes", long_run_ms() / 1000,
                (unsigned long)client.output.length);
    else
        compare(&client, status, expected);
    if (thread != NULL) {
        if (in_trouble())
            kill_process(&client); /* ends a write whose bytes are never read */
        WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
    }
    end_program(&client, "while it ran");
}

static void run_against(enum script script, const void *bytes, size_t length, bool keep_open,
                        const struct expectation *expected)
{
    struct script_server server;
    char arguments[60];

    start_script(&server, script);
    snprintf(arguments, sizeof arguments, "--quiet 127.0.0.1 %d", server.port);
    run_client(arguments, bytes, length, keep_open, expected);
    stop_script(&server);
}

static void expect_echo(enum script script, const void *bytes, size_t length)
{
    struct expectation same = {bytes, length, 0, NULL};
    if (!in_trouble())
        run_against(script, bytes, length, false, &same);
}

/* ---- the checks ---------------------------------------------------------------------------- */

static void text(void)
{
    static const char lines[] = "first\nsecond\r\n\n\n  \nlast\n";
    expect_echo(ECHO, lines, sizeof lines - 1);
}

static void no_last_line_end(void)
{
    expect_echo(ECHO, "one\ntwo", 7);
    expect_echo(ECHO, "x", 1);
    expect_echo(ECHO, "Quit is not Q\nQQ\n Q\nnor is this Q", 33);
}

static void long_line(void)
{
    const size_t size = 1024 * 1024;
    char *line = malloc(size);
    if (line == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "a long line");
    memset(line, 'a', size);
    line[size - 1] = '\n';
    expect_echo(ECHO, line, size);
    free(line);
}

/* More than the connection holds: a send is refused, and must continue where it stopped. */
static void refused_send(void)
{
    char *lines = malloc(PATTERN_SIZE);
    if (lines == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "long lines");
    for (size_t i = 0; i < PATTERN_SIZE; i++)
        lines[i] = (char)(i % 1000000 == 999999 ? '\n' : 'a' + pattern[i] % 26);
    expect_echo(LATE, lines, PATTERN_SIZE);
    free(lines);
}

static void binary(void)
{
    unsigned char all[256 * 4];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (unsigned char)(i % 256);
    expect_echo(ECHO, all, sizeof all);
    expect_echo(ECHO, pattern, 1024 * 1024);
}

static void fragments(void)
{
    expect_echo(FRAGMENTS, pattern, 20000);
}

static void empty_input(void)
{
    expect_echo(ECHO, "", 0);
}

/* After the line Q nothing is sent, whether or not the input goes on. */
static void line_q(void)
{
    struct expectation before_q = {"hello\n", 6, 0, NULL};
    run_against(ECHO, "hello\nQ\nnever sent\n", 19, false, &before_q);
    if (!in_trouble())
        run_against(ECHO, "hello\nQ\r\n", 9, true, &before_q);
}

static void closed_in_mid_reply(void)
{
    struct expectation half = {"12345", 5, 1, "the server closed the connection, 5 of 10 bytes"};
    run_against(CUT, "123456789\n", 10, true, &half);
    if (!in_trouble())
        run_against(CUT, "123456789\n", 10, false, &half);
}

static void reset_in_mid_reply(void)
{
    /* Wine 8 reports a reset as an ordinary end: FD_CLOSE without an error, then recv gives 0. */
    struct expectation reset = {
        NULL, 0, 1, running_under_wine() ? "receive from 127.0.0.1:" : "WSAECONNRESET (10054): "};
    run_against(RESET, "123456789\n", 10, true, &reset);
}

static void closed_at_once(void)
{
    struct expectation nothing = {"", 0, 1, "the server closed the connection, 0 of 0 bytes"};
    run_against(CLOSE, "", 0, true, &nothing);
}

static void no_server_listens(void)
{
    char arguments[60];
    struct expectation refused = {"", 0, 1, "WSAECONNREFUSED (10061): "};
    int port = free_port();

    snprintf(arguments, sizeof arguments, "--quiet 127.0.0.1 %d", port);
    run_client(arguments, "hello\n", 6, false, &refused);
    if (!in_trouble()) { /* every address of the name is tried */
        snprintf(arguments, sizeof arguments, "--quiet localhost %d", port);
        run_client(arguments, "hello\n", 6, false, &refused);
    }
}

/* localhost is also ::1, on which no server listens. */
static void server_by_name(void)
{
    struct script_server server;
    struct expectation same = {"hello\n", 6, 0, NULL};
    char arguments[60];

    start_script(&server, ECHO);
    snprintf(arguments, sizeof arguments, "--quiet localhost %d", server.port);
    run_client(arguments, "hello\n", 6, false, &same);
    stop_script(&server);
}

static void bad_host(void)
{
    struct expectation unknown = {"", 0, 1, "look up no.such.host.invalid: WSA"};
    run_client("--quiet no.such.host.invalid 9190", "", 0, false, &unknown);
}

static void wrong_arguments(void)
{
    static const char *const wrong[] = {"127.0.0.1 0",    "127.0.0.1 x", "127.0.0.1 65536",
                                        "--loud",         "\"\"",        "127.0.0.1 9190 9191",
                                        "127.0.0.1 \"\"", "--host ::1"};
    struct expectation usage = {"", 0, 2, "usage: "};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0] && !in_trouble(); i++)
        run_client(wrong[i], "", 0, false, &usage);
}

/* Without --quiet the narration goes to standard error: standard output has the echo alone. */
static void narration(void)
{
    struct script_server server;
    struct expectation narrated = {"hello\n", 6, 0, "what happened"};
    char arguments[60];

    start_script(&server, ECHO);
    snprintf(arguments, sizeof arguments, "127.0.0.1 %d", server.port);
    run_client(arguments, "hello\n", 6, false, &narrated);
    stop_script(&server);
}

const struct check client_checks[] = {
    {.name = "text with empty lines", .run = text},
    {.name = "no last line end, and lines that are not Q", .run = no_last_line_end},
    {.name = "a line of 1 MiB", .run = long_line},
    {.name = "binary bytes pass unchanged", .run = binary},
    {.name = "16 MiB while the server does not read", .run = refused_send},
    {.name = "the echo comes in fragments", .run = fragments},
    {.name = "empty input", .run = empty_input},
    {.name = "the line Q ends it", .run = line_q},
    {.name = "narration on standard error", .run = narration},
    {.name = "the server closes in mid-reply: status 1, and says so", .run = closed_in_mid_reply},
    {.name = "the server resets in mid-reply: status 1, and says so", .run = reset_in_mid_reply},
    {.name = "the server closes immediately: status 1, and says so", .run = closed_at_once},
    {.name = "no server listens: status 1, WSAECONNREFUSED", .run = no_server_listens},
    {.name = "a server by its name", .run = server_by_name},
    {.name = "a host that does not exist: status 1", .run = bad_host},
    {.name = "wrong arguments: status 2, and the usage", .run = wrong_arguments},
    {0},
};
