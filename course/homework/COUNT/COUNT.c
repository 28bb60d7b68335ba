/* COUNT.c - the checks of the exercise COUNT. */
#include "../../../tests/exercise_checks.h"

/* The line about closesocket of this client must say so many bytes. */
static void expect_count(struct server *server, int client, unsigned long bytes)
{
    struct capture *output = &server->process.output;
    char expected[60], found[120] = "no line about it";

    snprintf(expected, sizeof expected, "closed, %lu bytes echoed", bytes);
    for (double end = now_ms() + patience_ms; now_ms() < end; Sleep(10)) {
        bool there = false;
        EnterCriticalSection(&output->lock);
        const char *line = output->bytes, *all = output->bytes + output->length;
        while (line != NULL) {
            double ms;
            unsigned long thread;
            int number;
            char call[32];
            if (sscanf(line, "%lf %lu %d %31s", &ms, &thread, &number, call) == 4 &&
                number == client && strcmp(call, "closesocket") == 0) {
                snprintf(found, sizeof found, "%.*s", (int)strcspn(line, "\r\n"), line);
                there = true;
            }
            line = memchr(line, '\n', (size_t)(all - line));
            line = line != NULL ? line + 1 : NULL;
        }
        LeaveCriticalSection(&output->lock);
        if (there)
            break;
    }
    const char *place = strstr(found, expected);
    if (place == NULL || place[strlen(expected)] != '\0')
        trouble(FAILED, "who counts, and where does close_client look?",
                "client %d: expected a line that ends with \"%s\", found \"%s\"", client, expected,
                found);
}

static void count_one(struct server *server)
{
    converse(server->port, pattern, 6, 6);
    if (!in_trouble())
        expect_count(server, 1, 6);
}

static void count_much(struct server *server)
{
    converse(server->port, pattern, 1000000, 65536);
    if (!in_trouble())
        expect_count(server, 1, 1000000);
}

static void count_nothing(struct server *server)
{
    converse(server->port, pattern, 0, 1);
    SOCKET peer = connect_peer(server->port);
    if (peer != INVALID_SOCKET)
        reset_peer(peer);
    if (!in_trouble())
        expect_count(server, 1, 0);
    if (!in_trouble())
        expect_count(server, 2, 0);
}

static void count_side_by_side(struct server *server)
{
    enum { CLIENTS = 20, ROUNDS = 5 };
    static SOCKET peers[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) { /* one after the other, so that their numbers are known */
        peers[i] = in_trouble() ? INVALID_SOCKET : connect_peer(server->port);
        if (!in_trouble())
            exchange(peers[i], pattern, 1, 1);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS && !in_trouble(); i++)
            send_all(peers[i], pattern, (size_t)(100 * i));
        for (int i = 0; i < CLIENTS && !in_trouble(); i++)
            receive_exactly(peers[i], pattern, (size_t)(100 * i));
    }
    end_peers(peers, CLIENTS);
    for (int i = 0; i < CLIENTS && !in_trouble(); i++)
        expect_count(server, i + 1, (unsigned long)(1 + ROUNDS * 100 * i));
}

static const struct check count_checks[] = {
    {.name = "the bytes of one client", .talk = count_one, .options = ""},
    {.name = "1,000,000 bytes of one client", .talk = count_much, .options = ""},
    {.name = "clients that said nothing", .talk = count_nothing, .options = ""},
    {.name = "20 clients, each with its own count", .talk = count_side_by_side, .options = ""},
    {0},
};

const struct exercise COUNT = {
    .name = "COUNT",
    .options = "--threads 4",
    .checks = count_checks,
    .reused = {"half-close"},
};
