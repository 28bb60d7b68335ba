/* GREETING.c - the checks of the exercise GREETING. */
#include "../../../tests/service_checks.h"

/* Connects; the greeting must come although nothing has been sent. */
static SOCKET connect_and_be_greeted(int port, int number)
{
    char greeting[40];
    SOCKET peer = connect_peer(port);
    snprintf(greeting, sizeof greeting, "welcome, client %d\r\n", number);
    if (peer != INVALID_SOCKET)
        receive_text(peer, greeting);
    return peer;
}

/* The greeting with any number. */
static bool be_greeted(SOCKET peer)
{
    static const char hint[] = "what is sent before the first receive?";
    char bytes[2] = "", text[SHOWN_SIZE];
    int digits = -1;

    if (!receive_text(peer, "welcome, client "))
        return false;
    do {
        if (wait_for_socket(peer, READABLE, (DWORD)patience_ms) == 0) {
            trouble(TIMED_OUT, hint, "expected the rest of the greeting, found nothing");
            return false;
        }
        if (recv(peer, bytes, 1, 0) != 1) {
            trouble(FAILED, hint,
                    "expected the rest of the greeting, found the end of the connection");
            return false;
        }
        digits++;
    } while (bytes[0] >= '0' && bytes[0] <= '9');
    if (digits > 0 && bytes[0] == '\r')
        return receive_text(peer, "\n");
    trouble(FAILED, hint,
            "expected the client's number and \"\\r\\n\", found \"%s\" after %d digits",
            show_bytes(text, bytes, 1), digits);
    return false;
}

static const struct service greeting_service = {.opens = be_greeted};

/* What a client sends may look like a greeting: it is an echo even so, and is counted. */
static void look_like_a_greeting(void)
{
    static const char greeting[] = "welcome, client 1\r\n";
    memcpy(pattern, greeting, sizeof greeting - 1);
}

static void greeting_first(struct server *server)
{
    SOCKET peers[12];
    for (int i = 0; i < 12; i++)
        peers[i] = in_trouble() ? INVALID_SOCKET : connect_and_be_greeted(server->port, i + 1);
    if (!in_trouble())
        give_time(200);
    for (int i = 0; i < 12 && !in_trouble(); i++)
        receive_nothing(peers[i], 0, "how often is the greeting sent?",
                        "each client is greeted once");
    end_peers(peers, 12);
}

/* The number of the last ones has four digits. */
static void greeting_in_a_row(struct server *server)
{
    enum { CLIENTS = 1001 };
    for (int i = 1; i <= CLIENTS && !in_trouble(); i++)
        close_peer(connect_and_be_greeted(server->port, i));
}

/* Each receive is another chance for a second greeting. */
static void greeting_once(struct server *server)
{
    SOCKET peer = connect_and_be_greeted(server->port, 1);
    for (size_t i = 0; i < 5 && !in_trouble(); i++) {
        if (exchange(peer, pattern + i, 1 + 50000 * i, 40000))
            receive_nothing(peer, 30, "when is the greeting sent?",
                            "the greeting comes once, at the start");
    }
    if (peer != INVALID_SOCKET && !in_trouble()) {
        shutdown(peer, SD_SEND);
        receive_end(peer);
    }
    close_peer(peer);
}

static void greeting_after_a_word(struct server *server)
{
    for (int i = 0; i < 20 && !in_trouble(); i++) {
        char expected[60];
        SOCKET peer = connect_peer(server->port);
        snprintf(expected, sizeof expected, "welcome, client %d\r\nI speak first\n", i + 1);
        if (send_text(peer, "I speak first\n")) {
            shutdown(peer, SD_SEND);
            if (receive_text(peer, expected))
                receive_end(peer);
        }
        if (peer != INVALID_SOCKET)
            closesocket(peer);
    }
}

/* A client that shuts down without having sent anything still gets its greeting. */
static void greeting_without_a_word(struct server *server)
{
    for (int i = 0; i < 20 && !in_trouble(); i++) {
        SOCKET peer = connect_peer(server->port);
        if (peer == INVALID_SOCKET)
            break;
        shutdown(peer, SD_SEND);
        if (be_greeted(peer))
            receive_end(peer);
        closesocket(peer);
    }
}

static void greeting_load(void)
{
    service_load(&greeting_service);
}

/* Some messages are as long as the greeting. */
static void greeting_lengths(struct server *server)
{
    enum { LONGEST = 60, BYTES = LONGEST * (LONGEST + 1) / 2 };
    SOCKET peer = connect_and_be_greeted(server->port, 1);
    for (size_t length = 1; length <= LONGEST && !in_trouble(); length++)
        exchange(peer, pattern, length, length);
    close_peer(peer);
    stop_and_count(server, 1, BYTES);
}

/* Clients that wait for a place reset their connections, so their greeting can fail. */
static void greeting_in_vain(void)
{
    enum { CLIENTS = 60, IN_VAIN = 20, COUNT = CLIENTS + IN_VAIN, LENGTH = 100 };
    static SOCKET peers[COUNT];
    struct server server;
    struct summary summary = {0, 0, 0};
    if (!start_server(&server, "--quiet"))
        return;
    connect_peers(server.port, peers, COUNT);
    for (int i = 0; i < CLIENTS && !in_trouble(); i++) {
        if (be_greeted(peers[i]))
            exchange(peers[i], pattern, LENGTH, LENGTH);
    }
    for (int i = CLIENTS; i < COUNT; i++) {
        if (peers[i] != INVALID_SOCKET)
            reset_peer(peers[i]);
        peers[i] = INVALID_SOCKET;
    }
    end_peers(peers, CLIENTS);
    size_t visit = in_trouble() ? 0 : service_visit(server.port, &greeting_service, LENGTH, LENGTH);
    if (stop_and_keep(&server) && find_summary(&server.process, &summary) &&
        summary.bytes != CLIENTS * LENGTH + (long long)visit)
        trouble(FAILED, "the greeting is not an echo, even if its send fails",
                "expected a summary of %d bytes, because %d clients have sent %d each, found %lld",
                CLIENTS * LENGTH + (int)visit, CLIENTS + 1, LENGTH, summary.bytes);
    end_program(&server.process, "after Ctrl+C");
}

static void greeting_half_close(struct server *server)
{
    service_half_close(server, &greeting_service);
}

static void greeting_late(struct server *server)
{
    service_reads_late(server, &greeting_service);
}

static void greeting_resets(struct server *server)
{
    service_resets(server, &greeting_service);
}

static void greeting_lazy_resets(struct server *server)
{
    service_lazy_resets(server, &greeting_service);
}

static void greeting_fair(struct server *server)
{
    service_is_fair(server, &greeting_service);
}

static void greeting_places(struct server *server)
{
    service_places(server, &greeting_service);
    if (!in_trouble())
        service_full(server, &greeting_service, NULL, PLACES);
}

static void greeting_sleeps(struct server *server)
{
    service_sleeps(server, &greeting_service);
}

static void greeting_leaks_nothing(void)
{
    service_leaks_nothing(&greeting_service);
}

static void greeting_stops(void)
{
    service_stops(&greeting_service);
}

static void greeting_counts_sent(void)
{
    service_counts_sent(&greeting_service);
}

static void greeting_any_order(void)
{
    service_any_order(&greeting_service);
}

static void greeting_idle_costs_nothing(void)
{
    service_idle_costs_nothing(&greeting_service);
}

static void greeting_no_socket_left(void)
{
    service_no_socket_left(&greeting_service);
}

static const struct check greeting_checks[] = {
    {.name = "each client is greeted, with its number",
     .talk = greeting_first,
     .options = "--quiet"},
    {.name = "1,001 clients in a row are greeted, each with its number",
     .talk = greeting_in_a_row,
     .options = "--quiet",
     .plain_only = true},
    {.name = "after the greeting everything is echoed, and no second one comes",
     .talk = greeting_once,
     .options = "--quiet"},
    {.name = "a client that sends first is greeted as well",
     .talk = greeting_after_a_word,
     .options = "--quiet"},
    {.name = "a client that shuts down without sending is greeted",
     .talk = greeting_without_a_word,
     .options = "--quiet"},
    {.name = "8 clients at the same time; the summary counts what they sent", .run = greeting_load},
    {.name = "the summary counts messages of 1 to 60 bytes",
     .talk = greeting_lengths,
     .options = "--quiet"},
    {.name = "the summary does not count a greeting that fails", .run = greeting_in_vain},
    {.name = "half-close: everything comes back, then the end",
     .talk = greeting_half_close,
     .options = "--quiet"},
    {.name = "a client that reads late gets everything, and costs little until then",
     .talk = greeting_late,
     .options = "--quiet"},
    {.name = "60 resets, and the next client is served",
     .talk = greeting_resets,
     .options = "--quiet"},
    {.name = "12 resets of clients that do not read leak nothing",
     .talk = greeting_lazy_resets,
     .options = "--quiet"},
    {.name = "busy clients do not starve a quiet one", .talk = greeting_fair, .options = "--quiet"},
    {.name = "places are given back", .talk = greeting_places, .options = "--quiet"},
    {.name = "the server sleeps, with clients and without",
     .talk = greeting_sleeps,
     .options = "--quiet"},
    {.name = "clients that have shut down and do not read cost no CPU",
     .run = greeting_idle_costs_nothing},
    {.name = "600 clients and 1,500 messages leak nothing", .run = greeting_leaks_nothing},
    {.name = "no socket left: a client waits, and is served when another one has left",
     .run = greeting_no_socket_left},
    {.name = "Ctrl+C with clients of each kind", .run = greeting_stops},
    {.name = "Ctrl+C: the summary counts what was sent, and nothing more",
     .run = greeting_counts_sent},
    {.name = "24 clients do anything in any order", .run = greeting_any_order},
    {0},
};

const struct exercise GREETING = {
    .name = "GREETING",
    .options = "",
    .prepare = look_like_a_greeting,
    .checks = greeting_checks,
    .reused = {"wrong arguments"},
};
