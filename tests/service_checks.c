/* service_checks.c - promises to one client, or to a few. See service_checks.h. */
#include "service_checks.h"

/* ---- load, and the summary ----------------------------------------------------------------- */

enum { LOAD_PEERS = 8 };

struct load {
    const struct service *service;
    int port;
    size_t length, piece;
    size_t echoed;
};

static DWORD WINAPI load_peer(void *parameter)
{
    struct load *load = parameter;
    load->echoed = service_visit(load->port, load->service, load->length, load->piece);
    return 0;
}

void service_load(const struct service *service)
{
    static const size_t pieces[LOAD_PEERS] = {1, 7, 100, 1460, 4096, 30000, 65536, 250000};
    struct load loads[LOAD_PEERS];
    HANDLE threads[LOAD_PEERS];
    struct server server;
    long long bytes = 0;

    service_bytes(service); /* made once, before there are threads */
    if (!start_server(&server, "--quiet"))
        return;
    for (int i = 0; i < LOAD_PEERS; i++) {
        size_t length = pieces[i] * 1000 < 3000000 ? pieces[i] * 1000 : 3000000;
        loads[i] = (struct load){service, server.port, length, pieces[i], 0};
        threads[i] = CreateThread(NULL, 0, load_peer, &loads[i], 0, NULL);
        if (threads[i] == NULL)
            fail((int)GetLastError(), "CreateThread");
    }
    for (int i = 0; i < LOAD_PEERS; i++) {
        WaitForSingleObject(threads[i], INFINITE); /* each wait in it is bounded */
        CloseHandle(threads[i]);
        bytes += (long long)loads[i].echoed;
    }
    stop_and_count(&server, LOAD_PEERS, bytes);
}

/* ---- how a client behaves ------------------------------------------------------------------ */

enum { LATER_PEERS = 6, MOST_LATER_PEERS = 24, STALL_MS = 12000 };

void service_half_close(struct server *server, const struct service *service)
{
    const unsigned char *bytes = service_bytes(service);

    for (int i = 0; i < 36 && !in_trouble(); i++) {
        size_t whole = service_units(service, (size_t)1 << (i % 18)); /* up to 128 KiB */
        SOCKET peer = service_connect(server->port, service);
        if (peer != INVALID_SOCKET && send_all(peer, bytes, whole)) {
            shutdown(peer, SD_SEND);
            if (i % 9 == 0)
                Sleep(20);
            if (receive_exactly(peer, bytes, whole))
                service_receive_end(peer, service, whole);
        }
        close_peer(peer);
    }
    /* More than the system's buffers hold: the shutdown arrives while the echo waits. */
    SOCKET late = in_trouble() ? INVALID_SOCKET : service_connect(server->port, service);
    size_t whole = service_units(service, 400000);
    if (late != INVALID_SOCKET && send_all(late, bytes, whole)) {
        shutdown(late, SD_SEND);
        give_time(300);
        if (receive_exactly(late, bytes, whole))
            service_receive_end(late, service, whole);
    }
    close_peer(late);
}

/* The rest of an exchange of which this many bytes have been sent, and none received. */
static bool finish(SOCKET peer, const unsigned char *bytes, size_t sent, size_t length)
{
    size_t received = 0;

    while (sent < length && !in_trouble()) {
        int ready = wait_for_socket(peer, READABLE | WRITABLE, (DWORD)patience_ms);
        if (ready & WRITABLE) {
            size_t piece = length - sent < 65536 ? length - sent : 65536;
            int n = send(peer, (const char *)bytes + sent, (int)piece, 0);
            sent += n > 0 ? (size_t)n : 0;
        }
        if (ready & READABLE && received < length) {
            size_t piece = length - received < 4096 ? length - received : 4096;
            char waiting[4096];
            int n = recv(peer, waiting, (int)piece, MSG_PEEK);
            if (!receive_exactly(peer, bytes + received, n > 0 ? (size_t)n : 1))
                return false;
            received += n > 0 ? (size_t)n : 1;
        }
        if (ready == 0) {
            trouble(TIMED_OUT, "what makes the server go on when a client reads again?",
                    "a client that read nothing for a while reads again: %lu bytes sent, only %lu "
                    "came back, and then nothing",
                    (unsigned long)sent, (unsigned long)received);
            return false;
        }
    }
    return !in_trouble() && receive_exactly(peer, bytes + received, length - received);
}

void service_reads_late(struct server *server, const struct service *service)
{
    enum { MOST_MEMORY = 4 * 1024 * 1024 };
    const double most_wait = at_this_pace(1000);
    const unsigned char *bytes = service_bytes(service);
    struct measurement before, after;

    service_visit(server->port, service, 100, 100); /* makes it allocate what it allocates once */
    bool measured = measure_server(server, &before);
    SOCKET lazy = in_trouble() ? INVALID_SOCKET : service_connect(server->port, service);
    if (lazy == INVALID_SOCKET)
        return;
    size_t sent = service_fill(lazy, bytes, SERVICE_SIZE - service->unit);
    bool waited = service_shortest_visit(server->port, service, most_wait) > most_wait && !verified;
    if (!in_trouble()) /* the other one's bytes do not get into what the first one still gets */
        service_visit(server->port, service, 1024 * 1024, 256 * 1024);
    if (waited)
        trouble(FAILED, "which call waits for the client that does not read?",
                "while one client did not read, another had to wait more than %.0f ms", most_wait);
    if (!measured || !measure_server(server, &after))
        cannot_measure(server);
    else if (after.memory > before.memory + MOST_MEMORY)
        trouble(FAILED, "what is stored for a client that does not read?",
                "expected at most %d KiB more memory for a client that has sent %lu KiB "
                "and does not read, found %llu KiB",
                MOST_MEMORY / 1024, (unsigned long)(sent >> 10),
                (after.memory - before.memory) >> 10);
    size_t whole = service_units(service, sent);
    if (!in_trouble() && finish(lazy, bytes, sent, whole)) {
        shutdown(lazy, SD_SEND);
        service_receive_end(lazy, service, whole);
    }
    closesocket(lazy);
}

/* Each peer receives this many bytes, all peers at the same time. While a peer does not read, the
 * server's system repeats what did not fit into the peer's buffer, and doubles the time between two
 * attempts. So there may be a pause of several seconds when the peer begins to read, although the
 * server has handed everything over: this wait has more patience than others, and no peer has to
 * wait for another one. */
static void receive_later(const SOCKET *peers, const size_t *lengths, int count,
                          const unsigned char *bytes)
{
    size_t received[MOST_LATER_PEERS] = {0};
    double heard = now_ms();
    bool complete = false;

    while (!complete && !in_trouble()) {
        int late = -1; /* a peer that still lacks bytes */
        bool some = false;
        for (int i = 0; i < count && !in_trouble(); i++) {
            if (received[i] == lengths[i])
                continue;
            int n = receive_some(peers[i], bytes, received[i], lengths[i]);
            received[i] += n > 0 ? (size_t)n : 0;
            some = some || n > 0;
            late = i;
        }
        complete = late < 0;
        if (some)
            heard = now_ms();
        else if (!complete && now_ms() - heard > STALL_MS)
            trouble(TIMED_OUT, "what makes the server send again?",
                    "%lu of %lu bytes came back to client %d of %d, and then nothing for %d s",
                    (unsigned long)received[late], (unsigned long)lengths[late], late + 1, count,
                    STALL_MS / 1000);
        else
            Sleep(1);
    }
}

/* The same, and then what comes at the end. */
static void receive_later_to_the_end(const SOCKET *peers, const size_t *lengths, int count,
                                     const struct service *service)
{
    if (!in_trouble())
        receive_later(peers, lengths, count, service_bytes(service));
    for (int i = 0; i < count && !in_trouble(); i++) {
        wait_for_socket(peers[i], READABLE, STALL_MS); /* see receive_later */
        service_receive_end(peers[i], service, lengths[i]);
    }
}

/* All of them send, in pieces of different sizes, until the server takes nothing more. */
static void fill_all(const SOCKET *peers, size_t *sent, int count, const unsigned char *bytes)
{
    enum { QUIET_MS = 300 };

    for (double last = now_ms(); !in_trouble() && now_ms() - last < QUIET_MS; Sleep(1)) {
        for (int i = 0; i < count; i++) {
            size_t left = SERVICE_SIZE - sent[i], piece = 20000 + 1777 * (size_t)i;
            int n = send(peers[i], (const char *)bytes + sent[i],
                         (int)(left < piece ? left : piece), 0);
            if (n > 0) {
                sent[i] += (size_t)n;
                last = now_ms();
            }
        }
    }
}

/* With several of them, the last send meets both a full and a nearly full buffer of the system. */
void service_reads_later(struct server *server, const struct service *service)
{
    enum { PEERS = LATER_PEERS };
    SOCKET peers[PEERS];
    size_t sent[PEERS] = {0};

    for (int i = 0; i < PEERS; i++) {
        peers[i] = in_trouble() ? INVALID_SOCKET : service_connect(server->port, service);
        use_small_buffers(peers[i]);
    }
    fill_all(peers, sent, PEERS, service_bytes(service));
    for (int i = 0; i < PEERS && !in_trouble(); i++) {
        shutdown(peers[i], SD_SEND);
        sent[i] -= service->unit > 1 ? sent[i] % service->unit : 0; /* the rest is dropped */
    }
    receive_later_to_the_end(peers, sent, PEERS, service);
    end_peers(peers, PEERS);
}

long long service_echoed_unread(const struct service *service)
{
    const unsigned char *bytes = service_bytes(service);
    const size_t some = service_units(service, 65536);
    struct server server;
    struct summary summary = {0, 0, 0};
    size_t read = 0;

    if (!start_server(&server, "--quiet"))
        return 0;
    SOCKET peer = service_connect(server.port, service);
    if (peer != INVALID_SOCKET) {
        size_t sent = service_fill(peer, bytes, SERVICE_SIZE);
        if (receive_exactly(peer, bytes, some)) { /* and then its echo is refused again */
            read = some;
            service_fill(peer, bytes + sent, SERVICE_SIZE - sent);
        }
    }
    if (stop_and_keep(&server) && !find_summary(&server.process, &summary))
        trouble(FAILED, "the end of main", "expected a summary after Ctrl+C, found none");
    else if (!in_trouble() && summary.bytes < (long long)read)
        trouble(FAILED, "which bytes are counted for a client with a send in progress?",
                "expected at least %lu bytes in the summary, because they have come back, found "
                "%lld",
                (unsigned long)read, summary.bytes);
    end_program(&server.process, "after Ctrl+C");
    close_peer(peer);
    return summary.bytes - (long long)read;
}

bool service_connect_stuck(int port, const struct service *service, long long echoed, SOCKET *peers)
{
    enum { STEP = 49152 }; /* six of them are more than two buffers */
    bool good = true;

    for (int i = 0; i < STUCK_PEERS; i++) {
        size_t length = service_units(service, (size_t)echoed + STEP / 2 + (size_t)i * STEP);
        peers[i] = good ? service_connect(port, service) : INVALID_SOCKET;
        good = peers[i] != INVALID_SOCKET;
        if (good) /* a server that receives less before it sends does not take all of it */
            service_fill(peers[i], service_bytes(service), length);
    }
    return good;
}

/* The client has sent this much, and reads what comes back when the server has ended. Returns
 * whether that tells something: the end was in order, and not everything has come back. */
static bool count_after_stop(const struct service *service, size_t sent)
{
    enum { PAUSE_MS = 200 };
    struct server server;
    struct summary summary = {0, 0, 0};

    if (in_trouble() || !start_server(&server, "--quiet"))
        return false;
    SOCKET peer = service_connect(server.port, service);
    bool good = peer != INVALID_SOCKET;
    if (good) /* the server may not take all of it */
        service_fill(peer, service_bytes(service), sent);
    Sleep(PAUSE_MS);
    good = stop_and_keep(&server) && good && find_summary(&server.process, &summary);
    end_program(&server.process, "after Ctrl+C");
    long long came_back = good ? count_to_end(peer) : -1;
    const long long cancelled = service->counts_parts ? 0 : BUFFER;
    if (came_back >= 0 && summary.bytes < came_back - cancelled)
        trouble(FAILED, "which bytes are counted when a send takes a part of them?",
                "a client did not read until after Ctrl+C, and then received %lld bytes: expected "
                "at least %lld bytes in the summary, found %lld",
                came_back, came_back - cancelled, summary.bytes);
    else if (came_back >= 0 && summary.bytes > came_back)
        trouble(FAILED, "which bytes are counted for a send that is refused, or cancelled?",
                "a client did not read until after Ctrl+C: expected at most %lld bytes in the "
                "summary, because no more came back, found %lld",
                came_back, summary.bytes);
    close_peer(peer);
    return came_back >= 0 && came_back < (long long)sent;
}

/* At least once the server has received everything, and cannot send all of it. */
void service_counts_sent(const struct service *service)
{
    enum { MOST = SERVICE_SIZE - 4 * BUFFER, ENOUGH = 3, MOST_MS = 30000 };
    /* The end is orderly, and everything comes back, only if the server has received everything. */
    const long long step = service->counts_parts ? BUFFER / 6 : BUFFER / 2;
    /* A server that counts wrongly says up to a buffer more, or less, than the system has kept. */
    const long long said = service_echoed_unread(service), echoed = said < MOST ? said : MOST;
    const double end = now_ms() + MOST_MS;
    int telling = 0;

    for (long long sent = echoed - BUFFER;
         sent < echoed + 2 * BUFFER && telling < ENOUGH && now_ms() < end; sent += step)
        telling += count_after_stop(service, service_units(service, sent > 0 ? (size_t)sent : 1));
}

void service_ends_without_room(const struct service *service)
{
    enum { STEP = 12288, PAUSE_MS = 300 };
    const int count = verified ? LATER_PEERS : MOST_LATER_PEERS,
              step = STEP * MOST_LATER_PEERS / count;
    const unsigned char *bytes = service_bytes(service);
    const long long echoed = service_echoed_unread(service); /* and up to a buffer more was kept */
    SOCKET peers[MOST_LATER_PEERS];
    size_t lengths[MOST_LATER_PEERS];
    struct server server;

    if (in_trouble() || !start_server(&server, "--quiet"))
        return;
    for (int i = 0; i < count; i++) {
        long long length = echoed + BUFFER - (count - 4LL - i) * step;
        lengths[i] = service_units(service, length > 0 ? (size_t)length : 1);
        peers[i] = in_trouble() ? INVALID_SOCKET : service_connect(server.port, service);
        use_small_buffers(peers[i]);
        if (peers[i] != INVALID_SOCKET && send_all(peers[i], bytes, lengths[i]))
            shutdown(peers[i], SD_SEND);
    }
    Sleep(PAUSE_MS);
    receive_later_to_the_end(peers, lengths, count, service);
    end_peers(peers, count);
    stop_server(&server);
}

/* The reset may come before the server has accepted the client, or while it accepts it, or before
 * its first receive. When another client has been served, it has accepted all of them, so few are
 * connected at the same time. Memory that is free again may be kept for the next ones. */
void service_quick_resets(struct server *server, const struct service *service)
{
    enum { WARM_UP = 100, COUNT = WARM_UP + 400, AT_ONCE = 5 };
    const unsigned long long any_memory = 1ull << 40;
    struct measurement before = {0};
    SOCKET peers[AT_ONCE];
    bool measured = true;

    for (int i = 0, together; i < COUNT && !in_trouble(); i += together) {
        if (i % WARM_UP == 0)
            service_visit(server->port, service, 100, 100);
        if (i == WARM_UP)
            measured = measure_server(server, &before);
        together = i % (2 * AT_ONCE) == 0 ? AT_ONCE : 1;
        connect_peers(server->port, peers, together);
        for (int j = 0; j < together; j++) {
            if (peers[j] != INVALID_SOCKET)
                reset_peer(peers[j]);
        }
    }
    if (!in_trouble())
        service_visit(server->port, service, 100, 100);
    give_time(200); /* the server may still be closing the last one */
    expect_no_growth(server, measured ? &before : NULL, any_memory,
                     "what becomes of a client whose first operation fails immediately?",
                     "after 400 clients that connected and reset their connections");
}

void service_resets(struct server *server, const struct service *service)
{
    enum { RESETS = 60 };
    const unsigned char *bytes = service_bytes(service);

    for (int i = 0; i < RESETS && !in_trouble(); i++) {
        SOCKET peer = connect_peer(server->port);
        if (peer == INVALID_SOCKET)
            break;
        if (i % 5 != 0) /* also in the middle of a unit */
            send(peer, (const char *)bytes, i % 2 == 0 ? 3 + i : 60000 + i, 0);
        if (i % 5 == 2)
            shutdown(peer, SD_SEND);
        if (i % 3 == 0)
            Sleep(2); /* so that a reset comes in each state of the server */
        if (i % 3 == 1)
            wait_for_socket(peer, READABLE, 100);
        reset_peer(peer);
    }
    if (!in_trouble()) { /* and a reset while a send to the client is pending */
        SOCKET peer = connect_peer(server->port);
        if (peer != INVALID_SOCKET) {
            service_fill(peer, bytes, SERVICE_SIZE);
            reset_peer(peer);
        }
    }
    if (!in_trouble())
        service_visit(server->port, service, 100000, 65536);
    service_quick_resets(server, service);
}

/* The echo of each client is refused, and then its connection is reset: the server waits to send,
 * and must learn of the end nevertheless. After the first round it has everything that it keeps. */
void service_lazy_resets(struct server *server, const struct service *service)
{
    enum { COUNT = 12, ROUNDS = 3 };
    SOCKET peers[COUNT];
    struct measurement before = {0};
    bool measured = false;

    for (int round = 0; round < ROUNDS && !in_trouble(); round++) {
        size_t sent[COUNT] = {0};
        for (int i = 0; i < COUNT; i++) {
            peers[i] = in_trouble() ? INVALID_SOCKET : service_connect(server->port, service);
            use_small_buffers(peers[i]);
        }
        fill_all(peers, sent, COUNT, service_bytes(service));
        for (int i = 0; i < COUNT; i++) {
            if (peers[i] != INVALID_SOCKET)
                reset_peer(peers[i]);
        }
        service_visit(server->port, service, 100000, 65536);
        if (round == 0)
            measured = measure_at_rest(server, &before);
    }
    expect_no_growth(server, measured ? &before : NULL, COUNT * 32768,
                     "how does the server learn of a reset while it waits to send?",
                     "after 24 resets of clients that did not read");
}

/* ---- idle, leaks, stop --------------------------------------------------------------------- */

void service_sleeps(struct server *server, const struct service *service)
{
    enum { PEERS = 3, SLEEP_MS = 900, NEVER_READS = 2 };
    SOCKET peers[PEERS] = {INVALID_SOCKET, INVALID_SOCKET, INVALID_SOCKET};

    expect_sleep(server, SLEEP_MS);
    for (int i = 0; i < PEERS && !in_trouble(); i++)
        peers[i] = service_connect(server->port, service);
    if (!in_trouble() &&
        exchange(peers[0], service_bytes(service), service_units(service, 5000), 5000) &&
        (service->unit < 5 || send_all(peers[1], service_bytes(service), 5))) /* and no more */
        expect_sleep(server, SLEEP_MS);
    if (!in_trouble()) {
        service_fill(peers[NEVER_READS], service_bytes(service), SERVICE_SIZE);
        expect_sleep(server, SLEEP_MS);
    }
    end_peers(peers, PEERS);
    if (!in_trouble())
        expect_sleep(server, SLEEP_MS);
}

/* When others have left in every way, in whose places they may be: a client that sends nothing
 * after a first word, and some that have shut down but do not read. */
void service_idle_costs_nothing(const struct service *service)
{
    enum { WAYS = 12 };
    const size_t length = service_units(service, FIRST_LENGTH);
    struct server server;
    SOCKET stuck[STUCK_PEERS];
    int stuck_count = 0;
    /* A step that cannot stop yet has no summary, and may not know resets. */
    long long echoed = kill_servers ? 0 : service_echoed_unread(service);

    if (in_trouble() || !start_server(&server, "--quiet"))
        return;
    for (int i = 0; i < WAYS && !kill_servers && !in_trouble(); i++)
        service_leave(server.port, service, i);
    SOCKET peer = service_connect(server.port, service);
    bool good = peer != INVALID_SOCKET && exchange(peer, service_bytes(service), length, length);
    if (good && echoed > 0) {
        good = service_connect_stuck(server.port, service, echoed, stuck);
        stuck_count = STUCK_PEERS;
    }
    for (int i = 0; i < stuck_count && good; i++)
        shutdown(stuck[i], SD_SEND);
    if (good)
        expect_sleep(&server, 2000);
    close_peer(peer);
    end_peers(stuck, stuck_count);
    stop_server(&server);
}

void service_leaks_nothing(const struct service *service)
{
    enum { WARM_UP = 100, CLIENTS = 600, MESSAGES = 1500 };
    static const char freed[] = "what is closed and freed, and when?";
    const unsigned char *bytes = service_bytes(service);
    struct measurement before = {0};
    const size_t whole = service_units(service, 100);
    struct server server;
    bool measured = true;

    if (!start_server(&server, "--quiet"))
        return;
    for (int i = 0; i < WARM_UP + CLIENTS && !in_trouble(); i++) {
        if (i == WARM_UP)
            measured = measure_server(&server, &before);
        if (i % 4 == 3)
            service_leave(server.port, service, i / 4);
        else
            service_visit(server.port, service, 100, 100);
    }
    give_time(200); /* the server may still be closing the last one */
    expect_no_growth(&server, measured ? &before : NULL, 768 * 1024, freed, "after 600 clients");

    SOCKET peer = in_trouble() ? INVALID_SOCKET : service_connect(server.port, service);
    for (int i = 0; i < WARM_UP + MESSAGES && peer != INVALID_SOCKET && !in_trouble(); i++) {
        if (i == WARM_UP)
            measured = measure_server(&server, &before);
        exchange(peer, bytes, whole, whole);
    }
    expect_no_growth(&server, measured ? &before : NULL, 768 * 1024, freed,
                     "after 1,500 messages on one connection");
    close_peer(peer);
    stop_server(&server);
}
