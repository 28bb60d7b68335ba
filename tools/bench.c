/*
 * bench.c - measures the servers of the chapters and compares them.
 *
 *     bench.exe [--rounds N] CSV LOAD BASELINE SERVER ...
 *
 * CSV is the file to write. LOAD is load_client. BASELINE and the SERVERs are echo
 * servers (build\ch21_event_select\server.exe); BASELINE is what the others are compared with.
 * Each measurement starts a fresh server and lasts one second. The servers take turns, so that
 * whatever else the machine does affects all of them; the table shows the medians of the rounds.
 *
 * Exit status: 0 if nothing was lost, 1 if something was, 2 for a wrong command line.
 */
#include "process.h"
#include "utf8.h"

#include <stdlib.h>

enum { MAX_SERVERS = 32, MAX_ROUNDS = 9, PATIENCE_MS = 30000, BAR = 24 };

static const struct scenario {
    int connections;
    int size;
    int depth;
} scenarios[] = {{1, 64, 1}, {50, 64, 1}, {1000, 64, 1}, {8, 65536, 4}};

enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

/* What is measured for a server in a scenario. */
enum figure { MESSAGES, MEGABYTES, P50, P99, LONGEST, CPU, THREADS, MEMORY, FIGURES };

struct server {
    const char *path;
    char name[40]; /* ch21_event_select, or ch21 select_server */
    int limit;     /* of clients; 0: none */
    double figures[SCENARIOS][MAX_ROUNDS][FIGURES];
    bool lost[SCENARIOS];
};

static struct server servers[MAX_SERVERS];
static int server_count;
static const char *load_path;
static int rounds = 3;
static int measurements; /* so far */
static FILE *csv;

/* "ch21_event_select" for build\ch21_event_select\server.exe, "select_server" for any other. */
static void name_server(struct server *server)
{
    const char *file = server->path, *folder = server->path;
    for (const char *c = server->path; *c != '\0'; c++) {
        if (*c == '\\' || *c == '/') {
            folder = file;
            file = c + 1;
        }
    }
    if (strcmp(file, "server.exe") == 0 && folder != file)
        snprintf(server->name, sizeof server->name, "%.*s", (int)(file - folder - 1), folder);
    else
        snprintf(server->name, sizeof server->name, "%.*s", (int)strcspn(file, "."), file);
}

static bool start(struct process *process, const struct server *server, const char *options,
                  char *port)
{
    char command[600];
    snprintf(port, 16, "%d", free_port());
    snprintf(command, sizeof command, "\"%s\" %s %s", server->path, options, port);
    if (!start_process(process, command, NULL, NULL))
        fail((int)GetLastError(), "start %s", server->path);
    if (listening_port(process, 0, PATIENCE_MS) != 0)
        return true;
    fprintf(stderr, "bench: %s does not listen: %.200s\n", server->path, process->error.bytes);
    end_process(process);
    return false;
}

/* A server announces its limit only when it narrates. */
static void find_limit(struct server *server)
{
    struct process process;
    char port[16];
    if (!start(&process, server, "", port))
        exit(1);
    server->limit = announced_limit(&process);
    end_process(&process);
}

static bool serves(const struct server *server, const struct scenario *scenario)
{
    return server->limit == 0 || scenario->connections <= server->limit;
}

static void show_progress(const struct server *server, const struct scenario *scenario, int round)
{
    int all = 0;
    DWORD mode;
    if (!GetConsoleMode(GetStdHandle(STD_ERROR_HANDLE), &mode))
        return;
    for (int i = 0; i < server_count; i++) {
        for (int j = 0; j < SCENARIOS; j++)
            all += serves(&servers[i], &scenarios[j]) ? rounds : 0;
    }
    fprintf(stderr, "\r%3d of %d  round %d  %4d x %5d bytes  %-30s", ++measurements, all, round + 1,
            scenario->connections, scenario->size, server->name);
    fflush(stderr);
}

static void end_progress(void)
{
    DWORD mode;
    if (GetConsoleMode(GetStdHandle(STD_ERROR_HANDLE), &mode))
        fprintf(stderr, "\r%72s\r", "");
}

/* The number before the words in what the load client prints; 0 if they are not there. */
static double number_before(const char *text, const char *words)
{
    const char *place = strstr(text, words);
    while (place != NULL && place > text && strchr("0123456789.", place[-1]) != NULL)
        place--;
    return place == NULL ? 0 : atof(place);
}

static double number_after(const char *text, const char *words)
{
    const char *place = strstr(text, words);
    return place == NULL ? 0 : atof(place + strlen(words));
}

/* Watches the server until the load has ended. Returns false if something was lost. */
static bool watch(struct process *server, struct process *load, double *figures)
{
    struct resources now = {0}, begun = {0};
    DWORD status = 1;
    double deadline = now_ms() + PATIENCE_MS;
    bool ended;

    measure_resources(server, &begun);
    figures[THREADS] = figures[MEMORY] = 0;
    do {
        ended = wait_for_exit(load, 200, &status);
        measure_resources(server, &now);
        figures[THREADS] = max(figures[THREADS], now.threads);
        figures[MEMORY] = max(figures[MEMORY], (double)now.memory / (1024 * 1024));
    } while (!ended && now_ms() < deadline);

    const char *printed = load->output.bytes;
    figures[MESSAGES] = number_before(printed, " messages/s");
    figures[MEGABYTES] = number_before(printed, " MB/s");
    figures[P50] = number_after(printed, "p50 ");
    figures[P99] = number_after(printed, "p99 ");
    figures[LONGEST] = number_after(printed, "max ");
    double messages = number_before(printed, " messages, ");
    figures[CPU] = messages == 0 ? 0 : (now.cpu_ms - begun.cpu_ms) * 1000 / messages;
    return ended && status == 0;
}

static void run_once(struct server *server, int index, int round)
{
    const struct scenario *scenario = &scenarios[index];
    double *figures = server->figures[index][round];
    struct process process, load;
    char port[16], command[700];

    show_progress(server, scenario, round);
    if (!start(&process, server, "--quiet", port)) {
        server->lost[index] = true;
        return;
    }
    snprintf(command, sizeof command,
             "\"%s\" --quiet --connections %d --size %d --depth %d --messages 1000000 --seconds 1 "
             "127.0.0.1 %s",
             load_path, scenario->connections, scenario->size, scenario->depth, port);
    if (!start_process(&load, command, NULL, NULL))
        fail((int)GetLastError(), "start %s", load_path);
    if (!watch(&process, &load, figures)) {
        end_progress();
        fprintf(stderr, "bench: %s: %.200s%.300s\n", server->path, load.output.bytes,
                load.error.bytes);
        server->lost[index] = true;
    }
    end_process(&load);
    end_process(&process);

    fprintf(csv, "%s,%d,%d,%d,%d", server->name, scenario->connections, scenario->size,
            scenario->depth, round + 1);
    for (int i = 0; i < FIGURES; i++)
        fprintf(csv, ",%.3f", figures[i]);
    fprintf(csv, "\n");
}

static int compare(const void *left, const void *right)
{
    double difference = *(const double *)left - *(const double *)right;
    return difference < 0 ? -1 : difference > 0;
}

static double median(const struct server *server, int index, enum figure figure)
{
    double values[MAX_ROUNDS] = {0};
    for (int i = 0; i < rounds; i++)
        values[i] = server->figures[index][i][figure];
    qsort(values, (size_t)rounds, sizeof values[0], compare);
    return rounds % 2 == 1 ? values[rounds / 2] : (values[rounds / 2 - 1] + values[rounds / 2]) / 2;
}

static void print_scenario(int index)
{
    const struct scenario *scenario = &scenarios[index];
    double most = 0;

    printf("\n%d client%s, messages of %d bytes, %d at a time\n", scenario->connections,
           scenario->connections == 1 ? "" : "s", scenario->size, scenario->depth);
    printf("  %-24s%11s%6s%9s%9s%9s%9s%8s%8s\n", "", "messages/s", "x", "MB/s", "p50 ms", "p99 ms",
           "CPU us", "threads", "MiB");
    for (int i = 0; i < server_count; i++)
        most = max(most, median(&servers[i], index, MESSAGES));
    for (int i = 0; i < server_count; i++) {
        const struct server *server = &servers[i];
        double messages = median(server, index, MESSAGES);
        double baseline = median(&servers[0], index, MESSAGES);
        char bar[BAR + 1] = "";
        if (!serves(server, scenario)) {
            printf("  %-24s   serves %d clients at most\n", server->name, server->limit);
            continue;
        }
        memset(bar, '#', most > 0 ? (size_t)(messages / most * BAR + 0.5) : 0);
        printf("  %-24s%11.0f%6.2f%9.2f%9.3f%9.3f%9.1f%8.0f%8.1f  %s%s\n", server->name, messages,
               baseline > 0 ? messages / baseline : 0, median(server, index, MEGABYTES),
               median(server, index, P50), median(server, index, P99), median(server, index, CPU),
               median(server, index, THREADS), median(server, index, MEMORY), bar,
               server->lost[index] ? "  LOST" : "");
    }
}

static void print_explanation(void)
{
    printf(
        "Each server runs %d times for one second in each case; the table shows medians.\n"
        "x: messages/s relative to %s. p50, p99: the time within which half and 99 %% of the\n"
        "messages came back. CPU us: processor time of the server per message, in microseconds.\n"
        "MiB: its private memory at its highest.\n",
        rounds, servers[0].name);
    if (running_under_wine())
        printf("This is Wine: its own server does much of the work of the sockets, one call after\n"
               "another, and its time is in no column. On Windows the figures are different.\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--rounds") == 0) {
        rounds = atoi(argv[2]);
        first = 3;
    }
    server_count = argc - first - 2;
    if (rounds < 1 || rounds > MAX_ROUNDS || server_count < 1 || server_count > MAX_SERVERS) {
        fprintf(stderr, "usage: bench [--rounds N] CSV LOAD BASELINE SERVER ...\n");
        return 2;
    }
    start_winsock();
    load_path = argv[first + 1];
    csv = open_file(argv[first], "w");
    if (csv == NULL)
        fail((int)GetLastError(), "write %s", argv[first]);
    fprintf(csv, "server,connections,bytes,at_a_time,round,messages_per_s,MB_per_s,p50_ms,p99_ms,"
                 "max_ms,cpu_us_per_message,threads,private_MiB\n");
    for (int i = 0; i < server_count; i++) {
        servers[i].path = argv[first + 2 + i];
        name_server(&servers[i]);
        find_limit(&servers[i]);
    }
    print_explanation();
    bool lost = false;
    for (int index = 0; index < SCENARIOS; index++) {
        for (int round = 0; round < rounds; round++) {
            for (int i = 0; i < server_count; i++) {
                if (serves(&servers[i], &scenarios[index]))
                    run_once(&servers[i], index, round);
                lost = lost || servers[i].lost[index];
            }
        }
        end_progress();
        print_scenario(index);
        fflush(stdout);
    }
    if (fclose(csv) != 0)
        fail((int)GetLastError(), "write %s", argv[first]);
    printf("\nAll rounds: %s\n", argv[first]);
    stop_winsock();
    return lost ? 1 : 0;
}
