/* FAREWELL.c - the checks of the exercise FAREWELL. */
#include "../../../tests/service_checks.h"

/* After the shutdown: the farewell, and then the end. */
static bool be_told_goodbye(SOCKET peer, size_t echoed)
{
    char farewell[60];
    snprintf(farewell, sizeof farewell, "goodbye after %llu bytes\r\n", (unsigned long long)echoed);
    return receive_text(peer, farewell) && receive_end(peer);
}

static const struct service farewell_service = {.ends = be_told_goodbye};

/* What a client sends may look like a farewell: it is an echo even so, and is counted. */
static void look_like_a_farewell(void)
{
    static const char farewell[] = "goodbye after 0 bytes\r\n";
    memcpy(pattern, farewell, sizeof farewell - 1);
}

static void farewell_short(struct server *server)
{
    service_visit(server->port, &farewell_service, 6, 6);
    service_visit(server->port, &farewell_service, 100000, 65536);
}

static void farewell_nothing(struct server *server)
{
    for (int i = 0; i < 20 && !in_trouble(); i++)
        service_visit(server->port, &farewell_service, 0, 1);
}

static void farewell_long(struct server *server)
{
    size_t length = service_long_visit(server->port, &farewell_service);
    if (length > 0)
        stop_and_count(server, 1, (long long)length);
}

static void farewell_own_count(struct server *server)
{
    SOCKET peers[3];
    connect_peers(server->port, peers, 3);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3 && !in_trouble(); i++)
            exchange(peers[i], pattern, (size_t)(100 * (i + 1)), 1000);
    }
    for (int i = 2; i >= 0 && !in_trouble(); i--) {
        shutdown(peers[i], SD_SEND);
        be_told_goodbye(peers[i], (size_t)(300 * (i + 1)));
    }
    end_peers(peers, 3);
}

/* 40 clients shut down at the same moment: none waits for the others. */
static void farewell_to_all(struct server *server)
{
    enum { COUNT = 40 };
    const double most_ms = at_this_pace(2000);
    SOCKET peers[COUNT];
    talk_all(server->port, peers, COUNT);
    for (int i = 0; i < COUNT && !in_trouble(); i++)
        shutdown(peers[i], SD_SEND);
    double begun = now_ms();
    for (int i = 0; i < COUNT && !in_trouble(); i++)
        be_told_goodbye(peers[i], 200);
    if (!in_trouble() && !verified && now_ms() - begun > most_ms)
        trouble(
            FAILED, "does the server wait anywhere except in its one wait?",
            "expected 40 clients to get their farewells within %.0f s, found that it took %.1f s",
            most_ms / 1000, (now_ms() - begun) / 1000);
    end_peers(peers, COUNT);
}

/* A client that goes on sending has not shut down, so there is no farewell yet. */
static void farewell_not_before(struct server *server)
{
    SOCKET peer = connect_peer(server->port);
    for (size_t i = 0; i < 5 && !in_trouble() && peer != INVALID_SOCKET; i++) {
        if (exchange(peer, pattern + i, 1 + 50000 * i, 40000))
            receive_nothing(peer, 50, "when is the farewell sent?", "the client has not shut down");
    }
    if (peer != INVALID_SOCKET && !in_trouble()) {
        shutdown(peer, SD_SEND);
        be_told_goodbye(peer, 5 + 50000 * 10);
    }
    close_peer(peer);
}

static void farewell_load(void)
{
    service_load(&farewell_service);
}

static void farewell_half_close(struct server *server)
{
    service_half_close(server, &farewell_service);
}

static void farewell_late(struct server *server)
{
    service_reads_late(server, &farewell_service);
}

static void farewell_later(struct server *server)
{
    service_reads_later(server, &farewell_service);
}

static void farewell_without_room(void)
{
    service_ends_without_room(&farewell_service);
}

static void farewell_resets(struct server *server)
{
    service_resets(server, &farewell_service);
}

static void farewell_lazy_resets(struct server *server)
{
    service_lazy_resets(server, &farewell_service);
}

static void farewell_fair(struct server *server)
{
    service_is_fair(server, &farewell_service);
}

static void farewell_places(struct server *server)
{
    service_places(server, &farewell_service);
}

static void farewell_sleeps(struct server *server)
{
    service_sleeps(server, &farewell_service);
}

static void farewell_leaks_nothing(void)
{
    service_leaks_nothing(&farewell_service);
}

static void farewell_stops(void)
{
    service_stops(&farewell_service);
}

static void farewell_counts_sent(void)
{
    service_counts_sent(&farewell_service);
}

static void farewell_any_order(void)
{
    service_any_order(&farewell_service);
}

static void farewell_idle_costs_nothing(void)
{
    service_idle_costs_nothing(&farewell_service);
}

/* Neither a client that has exchanged bytes nor a new one has shut down when Ctrl+C comes. */
static void farewell_not_at_the_stop(void)
{
    enum { SILENT, NEW, COUNT };
    static const char *const who[COUNT] = {"has exchanged 1,000 bytes", "is new"};
    SOCKET peers[COUNT];
    struct server server;

    if (!start_server(&server, "--quiet"))
        return;
    connect_peers(server.port, peers, COUNT);
    if (!in_trouble() && exchange(peers[SILENT], pattern, 1000, 1000))
        give_time(200); /* so that the server has accepted both, and waits for more */
    stop_server(&server);
    for (int i = 0; i < COUNT && !in_trouble(); i++) {
        char bytes[100], text[SHOWN_SIZE];
        wait_for_socket(peers[i], READABLE, (DWORD)patience_ms);
        int received = recv(peers[i], bytes, sizeof bytes, 0);
        if (received > 0)
            trouble(FAILED, "is there a farewell on the way that Ctrl+C takes?",
                    "expected no farewell at Ctrl+C for a client that %s, found \"%s\"", who[i],
                    show_bytes(text, bytes, (size_t)received));
    }
    end_peers(peers, COUNT);
}

static void farewell_no_socket_left(void)
{
    service_no_socket_left(&farewell_service);
}

static const struct check farewell_checks[] = {
    {.name = "the echo, the farewell, the end", .talk = farewell_short, .options = "--quiet"},
    {.name = "a client that sent nothing gets one", .talk = farewell_nothing, .options = "--quiet"},
    {.name = "more than 2 GiB come back to one client, and are counted",
     .talk = farewell_long,
     .options = "--quiet",
     .plain_only = true},
    {.name = "each client has a count of its own",
     .talk = farewell_own_count,
     .options = "--quiet"},
    {.name = "40 clients leave at the same time", .talk = farewell_to_all, .options = "--quiet"},
    {.name = "no farewell before the shutdown", .talk = farewell_not_before, .options = "--quiet"},
    {.name = "8 clients at the same time; the summary counts what they sent", .run = farewell_load},
    {.name = "bytes and shutdown together: the echo, then the farewell",
     .talk = farewell_half_close,
     .options = "--quiet"},
    {.name = "a client that reads late gets everything, and costs little until then",
     .talk = farewell_late,
     .options = "--quiet"},
    {.name = "6 clients that read only after their shutdown get everything",
     .talk = farewell_later,
     .options = "--quiet"},
    {.name = "there is no room for the farewell of a client that does not read yet",
     .run = farewell_without_room},
    {.name = "60 resets, and the next client is served",
     .talk = farewell_resets,
     .options = "--quiet"},
    {.name = "12 resets of clients that do not read leak nothing",
     .talk = farewell_lazy_resets,
     .options = "--quiet"},
    {.name = "busy clients do not starve a quiet one", .talk = farewell_fair, .options = "--quiet"},
    {.name = "140 clients leave, 90 come", .talk = farewell_places, .options = "--quiet"},
    {.name = "the server sleeps, with clients and without",
     .talk = farewell_sleeps,
     .options = "--quiet"},
    {.name = "clients that have shut down and do not read cost no CPU",
     .run = farewell_idle_costs_nothing},
    {.name = "600 clients and 1,500 messages leak nothing", .run = farewell_leaks_nothing},
    {.name = "no socket left: a client waits, and is served when another one has left",
     .run = farewell_no_socket_left},
    {.name = "Ctrl+C with clients of each kind", .run = farewell_stops},
    {.name = "Ctrl+C: the summary counts what was sent, and nothing more",
     .run = farewell_counts_sent},
    {.name = "24 clients do anything in any order", .run = farewell_any_order},
    {.name = "no farewell at Ctrl+C", .run = farewell_not_at_the_stop},
    {0},
};

const struct exercise FAREWELL = {
    .name = "FAREWELL",
    .options = "",
    .prepare = look_like_a_farewell,
    .checks = farewell_checks,
    .reused = {"wrong arguments"},
};
