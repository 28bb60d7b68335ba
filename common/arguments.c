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

/* What a kind of program, server or client, understands. */
struct grammar {
    const char *purpose;
    const char *words; /* of the usage line, after the options with a number */
    const char *help;
    long lowest_port;
};

static const struct grammar server_grammar = {
    .purpose = "  Echoes back whatever each client sends, until Ctrl+C.\n",
    .words = "[--host ADDRESS] [PORT]",
    .help = "  --quiet          no narration: only the address and the closing summary\n"
            "  --host ADDRESS   where to listen (default 127.0.0.1, which only this machine\n"
            "                   can reach; 0.0.0.0 or :: opens the port to the network)\n"
            "  PORT             0 to 65535 (default 9190; 0 picks a free one)\n",
    .lowest_port = 0,
};

static const struct grammar client_grammar = {
    .purpose = "  Sends each line of standard input to an echo server and prints what comes back.\n"
               "  A line Q, Ctrl+Z or the end of the input ends it.\n",
    .words = "[HOST [PORT]]",
    .help = "  --quiet          no narration\n"
            "  HOST             the server's address or name (default 127.0.0.1)\n"
            "  PORT             1 to 65535 (default 9190)\n",
    .lowest_port = 1,
};

static const struct number_option no_options[] = {{.name = NULL}};

/* The command line that is being read: what it may contain, and what has been read so far. */
static struct grammar grammar;
static const struct number_option *options;
static struct arguments arguments;

/* The usage line is broken where it would be wider than a console. */
static void print_usage(FILE *stream)
{
    int column = fprintf(stream, "usage: %s [--quiet]", program_name);
    for (const struct number_option *option = options; option->name != NULL; option++) {
        if (column > 60)
            column = fprintf(stream, "\n             ");
        column += fprintf(stream, " [%s N]", option->name);
    }
    fprintf(stream, " %s\n%s", grammar.words, grammar.purpose);
    for (const struct number_option *option = options; option->name != NULL; option++)
        fprintf(stream, "  %s N%*s%s\n", option->name, (int)(15 - strlen(option->name)), "",
                option->help);
    fputs(grammar.help, stream);
}

static NORETURN void wrong_usage(const char *reason, const char *word)
{
    fprintf(stderr, "%s: %s%s%s\n", program_name, reason, *word != '\0' ? ": " : "", word);
    print_usage(stderr);
    exit(2);
}

/* The number that word represents, or -1 if it is not a number from lowest to highest. */
static long number_of(const char *word, long lowest, long highest)
{
    /* strtol alone would also take " 12", "+12" and "12x". */
    size_t digits = strspn(word, "0123456789");
    bool is_number = digits > 0 && digits <= 7 && word[digits] == '\0';
    long number = is_number ? strtol(word, NULL, 10) : -1;
    return number < lowest || number > highest ? -1 : number;
}

/* If word is one of the options with a number, reads the number from value, the next word (NULL if
 * there is none). Otherwise returns false. */
static bool read_number_option(const char *word, const char *value)
{
    for (const struct number_option *option = options; option->name != NULL; option++) {
        if (strcmp(word, option->name) != 0)
            continue;
        long number = value == NULL ? -1 : number_of(value, option->lowest, option->highest);
        if (number < 0) {
            char reason[80];
            snprintf(reason, sizeof reason, "%s needs a number from %d to %d", word, option->lowest,
                     option->highest);
            wrong_usage(reason, value == NULL ? "" : value);
        }
        *option->number = (int)number;
        return true;
    }
    return false;
}

/* --quiet and --help mean the same everywhere; any other word that begins with '-' is unknown. */
static void read_option(const char *word)
{
    if (strcmp(word, "--quiet") == 0) {
        arguments.quiet = true;
    } else if (strcmp(word, "--help") == 0) {
        print_usage(stdout);
        exit(0);
    } else {
        wrong_usage("unknown option", word);
    }
}

static void begin_reading(char **argv, const struct grammar *kind,
                          const struct number_option *own_options)
{
    set_program_name(argv[0]);
    arguments = (struct arguments){.quiet = false, .host = "127.0.0.1", .port = "9190"};
    options = own_options;
    grammar = *kind;
}

static struct arguments end_reading(void)
{
    if (number_of(arguments.port, grammar.lowest_port, 65535) < 0)
        wrong_usage(grammar.lowest_port == 0 ? "a port is a number from 0 to 65535"
                                             : "a port is a number from 1 to 65535",
                    arguments.port);
    return arguments;
}

struct arguments read_server_arguments_with(int argc, char **argv,
                                            const struct number_option *own_options)
{
    bool has_port = false;

    begin_reading(argv, &server_grammar, own_options);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--host") == 0) {
            if (i + 1 == argc || argv[i + 1][0] == '\0')
                wrong_usage("--host needs an address", "");
            arguments.host = argv[++i];
        } else if (read_number_option(argv[i], argv[i + 1])) {
            i++;
        } else if (argv[i][0] == '-') {
            read_option(argv[i]);
        } else if (!has_port) {
            arguments.port = argv[i];
            has_port = true;
        } else {
            wrong_usage("one word too many", argv[i]);
        }
    }
    return end_reading();
}

struct arguments read_server_arguments(int argc, char **argv)
{
    return read_server_arguments_with(argc, argv, no_options);
}

struct arguments read_client_arguments_with(int argc, char **argv, const char *purpose,
                                            const struct number_option *own_options)
{
    int words = 0;

    begin_reading(argv, &client_grammar, own_options);
    grammar.purpose = purpose;
    for (int i = 1; i < argc; i++) {
        if (read_number_option(argv[i], argv[i + 1])) {
            i++;
        } else if (argv[i][0] == '-') {
            read_option(argv[i]);
        } else if (words == 0 && argv[i][0] != '\0') {
            arguments.host = argv[i];
            words++;
        } else if (words == 1) {
            arguments.port = argv[i];
            words++;
        } else {
            wrong_usage(words == 0 ? "the host is empty" : "one word too many", argv[i]);
        }
    }
    return end_reading();
}

struct arguments read_client_arguments(int argc, char **argv)
{
    return read_client_arguments_with(argc, argv, client_grammar.purpose, no_options);
}
