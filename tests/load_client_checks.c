/*
 * load_client_checks.c - what load_client promises, against a scripted server. See
 * load_client_checks.h.
 */
#include "load_client_checks.h"
#include "client_checks.h"
#include "scripted_server.h"

/* Runs a load to its end. Standard output must contain output, and standard error must contain
 * error (NULL: it must be empty). Returns the seconds that it took. */
static double run_load(const char *load, const char *host, int port, DWORD expected_status,
                       const char *output, const char *error)
{
    struct process client;
    char arguments[200];
    DWORD status = 0;
    double begun = now_ms();
    char text[STATUS_SIZE], found[OUTPUT_SIZE];

    snprintf(arguments, sizeof arguments, "--quiet %s %s %d", load, host, port);
    if (!start_program(&client, arguments))
        return 0;
    if (!wait_for_exit(&client, (DWORD)long_run_ms(), &status))
        trouble(TIMED_OUT, "what exchange_messages waits for", "the load did not end within %d s",
                long_run_ms() / 1000);
    else if (status != expected_status)
        trouble(FAILED, "what is counted as lost",
                "expected exit status %lu, found %s, and on standard error \"%s\"", expected_status,
                status_text(text, status), show_output(found, &client.error));
    else if (!has_printed(&client.output, output))
        trouble(FAILED, "what load_received counts", "expected \"%s\", found \"%s\"", output,
                show_output(found, &client.output));
    else if (error == NULL ? client.error.length > 0 : !has_printed(&client.error, error))
        trouble(FAILED, "the arguments of lose()",
                "expected \"%s\" on standard error, found \"%s\"", error != NULL ? error : "",
                show_output(found, &client.error));
    end_program(&client, "while it ran");
    return (now_ms() - begun) / 1000;
}

static void load_against(enum script script, const char *load, DWORD status, const char *output,
                         const char *error)
{
    struct script_server server;
    start_script(&server, script);
    run_load(load, "127.0.0.1", server.port, status, output, error);
    stop_script(&server);
}

static void load_of_many(void)
{
    struct script_server server;

    start_script(&server, ECHO_MANY);
    run_load("--connections 300 --messages 5 --size 1000 --depth 4", "127.0.0.1", server.port, 0,
             "300 connections, 1500 messages, 1500000 bytes in ", NULL);
    stop_script(&server);
    if (server.bytes != 1500000)
        trouble(FAILED, "begin_send", "expected 1500000 bytes at the server, found %ld",
                server.bytes);
}

static void load_by_name(void)
{
    struct script_server server;
    start_script(&server, ECHO_MANY);
    run_load("--connections 3 --messages 2", "localhost", server.port, 0,
             "3 connections, 6 messages, 384 bytes in ", NULL);
    stop_script(&server);
}

static void load_for_a_second(void)
{
    struct script_server server;

    start_script(&server, ECHO_MANY);
    double seconds = run_load("--connections 5 --messages 1000000 --depth 2 --seconds 1",
                              "127.0.0.1", server.port, 0, "; 0 lost", NULL);
    stop_script(&server);
    if (seconds < 1 || seconds > 5)
        trouble(FAILED, "no_more_messages", "expected about 1 s, found %.1f s", seconds);
}

static void load_of_wrong_byte(void)
{
    load_against(WRONG_BYTE, "--connections 1 --messages 100 --size 100", 1, " 50 messages, 5000 ",
                 "1 of 1 connections lost; the first: a wrong byte came back from 127.0.0.1:");
}

static void load_cut(void)
{
    load_against(CUT, "--connections 1 --messages 100 --size 100", 1, " 50 bytes in ",
                 "the connection was closed too early by 127.0.0.1:");
}

static void load_without_answer(void)
{
    load_against(SILENT, "--connections 1 --seconds 1", 1, " 0 messages, 0 bytes in ",
                 "1 of 1 connections lost; the first: no answer from 127.0.0.1:");
}

static void load_refused(void)
{
    run_load("--connections 3", "127.0.0.1", free_port(), 1, "0 connections, 0 messages, ",
             "3 of 3 connections lost; the first: connect 127.0.0.1:");
}

static void load_interrupted(void)
{
    struct script_server server;
    struct process client;
    char arguments[200], text[STATUS_SIZE], output[OUTPUT_SIZE];
    DWORD status = 0;

    start_script(&server, ECHO_MANY);
    snprintf(arguments, sizeof arguments,
             "--quiet --connections 20 --messages 1000000 --seconds 60 127.0.0.1 %d", server.port);
    if (start_program(&client, arguments)) {
        for (int i = 0; server.bytes < 64 * 100 && i < patience_ms / 10; i++)
            Sleep(10);
        const double most_ms = at_this_pace(2000);
        double begun = now_ms();
        if (!press_ctrl_c(&client))
            trouble(NO_CHANCE, "does this program have a console?", "Ctrl+C could not be sent");
        else if (!wait_for_exit(&client, patience_ms, &status) || now_ms() - begun > most_ms)
            trouble(TIMED_OUT, "request_stop", "the load did not end within %.0f s after Ctrl+C",
                    most_ms / 1000);
        else if (status != 0 || !has_printed(&client.output, "\nlatency: ") ||
                 !has_printed(&client.output, "; 0 lost"))
            trouble(FAILED, "interrupted", "expected status 0 and a result, found %s, \"%s\"",
                    status_text(text, status), show_output(output, &client.output));
        end_program(&client, "while it ran");
    }
    stop_script(&server);
}

static void load_wrong_arguments(void)
{
    static const char *const wrong[] = {"--connections",     "--connections 0", "--connections x",
                                        "--connections 1.5", "--messages",      "--size 1000001",
                                        "--depth 65",        "--seconds 0"};
    struct expectation usage = {"", 0, 2, " needs a number from 1 to "};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0] && !in_trouble(); i++)
        run_client(wrong[i], "", 0, false, &usage);
}

const struct check load_client_checks[] = {
    {.name = "load: 300 connections, each byte sent and back", .run = load_of_many},
    {.name = "load: --seconds ends it", .run = load_for_a_second},
    {.name = "load: a server by its name", .run = load_by_name},
    {.name = "load: a wrong byte: status 1, and says so", .run = load_of_wrong_byte},
    {.name = "load: the server closes too early: status 1, and says so", .run = load_cut},
    {.name = "load: no answer: status 1, and says so", .run = load_without_answer},
    {.name = "load: no server listens: status 1, and says so", .run = load_refused},
    {.name = "load: Ctrl+C prints what was measured", .run = load_interrupted},
    {.name = "load: wrong arguments: status 2, and the usage", .run = load_wrong_arguments},
    {0},
};
