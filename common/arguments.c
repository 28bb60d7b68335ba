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

static const char client_usage[] =
    "[--quiet] [HOST [PORT]]\n"
    "  Sends each line of standard input to an echo server and prints what comes back.\n"
    "  A line Q, Ctrl+Z or the end of the input ends it.\n"
    "  --quiet          no narration: only what comes back\n"
    "  HOST             the server's address or name (default 127.0.0.1)\n"
    "  PORT             1 to 65535 (default 9190)\n";

static void print_usage(FILE *stream, const char *usage)
{
    fprintf(stream, "usage: %s %s", program_name, usage);
}

static _Noreturn void wrong_usage(const char *usage, const char *reason, const char *word)
{
    fprintf(stderr, "%s: %s%s%s\n", program_name, reason, *word != '\0' ? ": " : "", word);
    print_usage(stderr, usage);
    exit(2);
}

static void check_port(const char *port, long lowest, const char *usage)
{
    /* strtol alone would also take " 12", "+12" and "12x". */
    size_t digits = strspn(port, "0123456789");
    bool is_number = digits > 0 && digits <= 5 && port[digits] == '\0';
    long number = is_number ? strtol(port, NULL, 10) : -1;
    if (number < lowest || number > 65535)
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

struct arguments read_server_arguments(int argc, char **argv)
{
    struct arguments arguments = {false, "127.0.0.1", "9190"};
    bool has_port = false;

    set_program_name(argv[0]);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--host") == 0) {
            if (i + 1 == argc || argv[i + 1][0] == '\0')
                wrong_usage(server_usage, "--host needs an address", "");
            arguments.host = argv[++i];
        } else if (argv[i][0] == '-') {
            read_option(argv[i], &arguments, server_usage);
        } else if (!has_port) {
            arguments.port = argv[i];
            has_port = true;
        } else {
            wrong_usage(server_usage, "one word too many", argv[i]);
        }
    }
    check_port(arguments.port, 0, server_usage);
    return arguments;
}

struct arguments read_client_arguments(int argc, char **argv)
{
    struct arguments arguments = {false, "127.0.0.1", "9190"};
    int words = 0;

    set_program_name(argv[0]);
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') {
            read_option(argv[i], &arguments, client_usage);
        } else if (words == 0 && argv[i][0] != '\0') {
            arguments.host = argv[i];
            words++;
        } else if (words == 1) {
            arguments.port = argv[i];
            words++;
        } else {
            wrong_usage(client_usage, words == 0 ? "the host is empty" : "one word too many",
                        argv[i]);
        }
    }
    check_port(arguments.port, 1, client_usage);
    return arguments;
}
