/* arguments.c - the command line. See common.h. */
#include "common.h"

#include <stdlib.h>

char program_name[64] = "program";

static void set_program_name(const char *path)
{
    const char *name = path;
    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '\\' || *c == '/' || *c == ':')
            name = c + 1;
    }
    size_t length = strlen(name);
    if (length > 4 && _stricmp(name + length - 4, ".exe") == 0)
        length -= 4;
    snprintf(program_name, sizeof program_name, "%.*s", (int)length, name);
}

static const char server_usage[] =
    "[--quiet] [--host ADDRESS] [PORT]\n"
    "  Echoes back whatever each client sends, until Ctrl+C.\n"
    "  --quiet          no narration: only the address and the closing summary\n"
    "  --host ADDRESS   where to listen (default 127.0.0.1, which only this machine\n"
    "                   can reach; 0.0.0.0 or :: opens the port to the network)\n"
    "  PORT             0 to 65535 (default 9190; 0 picks a free one)\n";

static const char threaded_server_usage[] =
    "[--quiet] [--threads N] [--host ADDRESS] [PORT]\n"
    "  Echoes back whatever each client sends, until Ctrl+C.\n"
    "  --quiet          no narration: only the address and the closing summary\n"
    "  --threads N      so many workers, 1 to 64 (default: one for each processor)\n"
    "  --host ADDRESS   where to listen (default 127.0.0.1, which only this machine\n"
    "                   can reach; 0.0.0.0 or :: opens the port to the network)\n"
    "  PORT             0 to 65535 (default 9190; 0 picks a free one)\n";

static const char client_usage[] =
    "[--quiet] [HOST [PORT]]\n"
    "  Sends each line of standard input to an echo server and prints what comes back.\n"
    "  A line Q, Ctrl+Z or the end of the input ends it.\n"
    "  --quiet          no narration: only what comes back\n"
    "  HOST             the server's address or name (default 127.0.0.1)\n"
    "  PORT             1 to 65535 (default 9190)\n";

static const char load_client_usage[] =
    "[--quiet] [--connections N [--messages N] [--size N] [--depth N] [--seconds N]]\n"
    "              [HOST [PORT]]\n"
    "  Sends each line of standard input to an echo server and prints what comes back.\n"
    "  A line Q, Ctrl+Z or the end of the input ends it.\n"
    "  --quiet          no narration: only what comes back\n"
    "  HOST             the server's address or name (default 127.0.0.1)\n"
    "  PORT             1 to 65535 (default 9190)\n"
    "  With --connections it sends messages on so many connections instead, compares every\n"
    "  byte that comes back, and measures.\n"
    "  --connections N  1 to 10000\n"
    "  --messages N     on each connection (default 100)\n"
    "  --size N         bytes of a message (default 64)\n"
    "  --depth N        messages of a connection on their way at a time, 1 to 64 (default 1)\n"
    "  --seconds N      ends the sending after so many seconds (default 60)\n";

static void print_usage(FILE *stream, const char *usage)
{
    fprintf(stream, "usage: %s %s", program_name, usage);
}

static NORETURN void wrong_usage(const char *usage, const char *reason, const char *word)
{
    fprintf(stderr, "%s: %s%s%s\n", program_name, reason, *word != '\0' ? ": " : "", word);
    print_usage(stderr, usage);
    exit(2);
}

/* The number that word stands for, or -1 if it is none between lowest and highest. */
static long number_of(const char *word, long lowest, long highest)
{
    /* strtol alone would also take " 12", "+12" and "12x". */
    size_t digits = strspn(word, "0123456789");
    bool is_number = digits > 0 && digits <= 7 && word[digits] == '\0';
    long number = is_number ? strtol(word, NULL, 10) : -1;
    return number < lowest || number > highest ? -1 : number;
}

static void check_port(const char *port, long lowest, const char *usage)
{
    if (number_of(port, lowest, 65535) < 0)
        wrong_usage(usage,
                    lowest == 0 ? "a port is a number from 0 to 65535"
                                : "a port is a number from 1 to 65535",
                    port);
}

/* --quiet and --help mean the same everywhere; any other word that begins with '-' is unknown. */
static void read_option(const char *word, struct arguments *arguments, const char *usage)
{
    if (strcmp(word, "--quiet") == 0) {
        arguments->quiet = true;
    } else if (strcmp(word, "--help") == 0) {
        print_usage(stdout, usage);
        exit(0);
    } else {
        wrong_usage(usage, "unknown option", word);
    }
}

static struct arguments read_server(int argc, char **argv, bool threaded)
{
    struct arguments arguments = {false, "127.0.0.1", "9190", 1, 0, 0, 0, 0, 0};
    const char *usage = threaded ? threaded_server_usage : server_usage;
    bool has_port = false;

    set_program_name(argv[0]);
    if (threaded) {
        SYSTEM_INFO system;
        GetSystemInfo(&system);
        arguments.threads = (int)system.dwNumberOfProcessors;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--host") == 0) {
            if (i + 1 == argc || argv[i + 1][0] == '\0')
                wrong_usage(usage, "--host needs an address", "");
            arguments.host = argv[++i];
        } else if (threaded && strcmp(argv[i], "--threads") == 0) {
            arguments.threads = i + 1 == argc ? -1 : (int)number_of(argv[++i], 1, 64);
            if (arguments.threads < 0)
                wrong_usage(usage, "--threads needs a number from 1 to 64", "");
        } else if (argv[i][0] == '-') {
            read_option(argv[i], &arguments, usage);
        } else if (!has_port) {
            arguments.port = argv[i];
            has_port = true;
        } else {
            wrong_usage(usage, "one word too many", argv[i]);
        }
    }
    check_port(arguments.port, 0, usage);
    return arguments;
}

struct arguments read_server_arguments(int argc, char **argv)
{
    return read_server(argc, argv, false);
}

struct arguments read_threaded_server_arguments(int argc, char **argv)
{
    return read_server(argc, argv, true);
}

/* Reads a number that follows an option, if word is one of the options of a load. */
static bool read_load_option(const char *word, const char *value, struct arguments *arguments)
{
    const struct {
        const char *word;
        int *number;
        long highest;
    } options[] = {
        {"--connections", &arguments->connections, 10000},
        {"--messages", &arguments->messages, 1000000},
        {"--size", &arguments->size, 1000000},
        {"--depth", &arguments->depth, MAX_DEPTH},
        {"--seconds", &arguments->seconds, 3600},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(word, options[i].word) == 0) {
            char reason[80];
            snprintf(reason, sizeof reason, "%s needs a number from 1 to %ld", word,
                     options[i].highest);
            *options[i].number = value == NULL ? -1 : (int)number_of(value, 1, options[i].highest);
            if (*options[i].number < 0)
                wrong_usage(load_client_usage, reason, value == NULL ? "" : value);
            return true;
        }
    }
    return false;
}

static struct arguments read_client(int argc, char **argv, bool load)
{
    struct arguments arguments = {false, "127.0.0.1", "9190", 1, 0, 100, 64, 1, 60};
    const char *usage = load ? load_client_usage : client_usage;
    int words = 0;

    set_program_name(argv[0]);
    for (int i = 1; i < argc; i++) {
        if (load && read_load_option(argv[i], argv[i + 1], &arguments)) {
            i++;
        } else if (argv[i][0] == '-') {
            read_option(argv[i], &arguments, usage);
        } else if (words == 0 && argv[i][0] != '\0') {
            arguments.host = argv[i];
            words++;
        } else if (words == 1) {
            arguments.port = argv[i];
            words++;
        } else {
            wrong_usage(usage, words == 0 ? "the host is empty" : "one word too many", argv[i]);
        }
    }
    check_port(arguments.port, 1, usage);
    return arguments;
}

struct arguments read_client_arguments(int argc, char **argv)
{
    return read_client(argc, argv, false);
}

struct arguments read_load_client_arguments(int argc, char **argv)
{
    return read_client(argc, argv, true);
}
