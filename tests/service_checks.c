/* service_checks.c - promises of servers that do a little more than echo. See service_checks.h. */
#include "service_checks.h"

static const unsigned char *bytes_of(const struct service *service)
{
    return service->bytes != NULL ? service->bytes() : pattern;
}

static size_t whole_units(const struct service *service, size_t length)
{
    size_t unit = service->unit > 1 ? service->unit : 1;
    return (length + unit - 1) / unit * unit;
}

static bool receive_service_end(SOCKET peer, const struct service *service, size_t echoed)
{
    return service->ends != NULL ? service->ends(peer, echoed) : receive_end(peer);
}

/* Connects and receives what comes first. INVALID_SOCKET after noting trouble. */
static SOCKET service_connect(int port, const struct service *service)
{
    SOCKET peer = connect_peer(port);
    if (peer == INVALID_SOCKET || service->opens == NULL || service->opens(peer))
        return peer;
    closesocket(peer);
    return INVALID_SOCKET;
}

size_t service_visit(int port, const struct service *service, size_t length, size_t piece)
{
    SOCKET peer = service_connect(port, service);
    size_t whole = whole_units(service, length);
    bool good = peer != INVALID_SOCKET && exchange(peer, bytes_of(service), whole, piece) &&
                shutdown(peer, SD_SEND) == 0 && receive_service_end(peer, service, whole);
    close_peer(peer);
    return good ? whole : 0;
}

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

enum { LATER_PEERS = 6, STALL_MS = 12000 };

void service_half_close(struct server *server, const struct service *service)
{
    const unsigned char *bytes = bytes_of(service);

    for (int i = 0; i < 36 && !in_trouble(); i++) {
        size_t whole = whole_units(service, (size_t)1 << (i % 18)); /* up to 128 KiB */
        SOCKET peer = service_connect(server->port, service);
        if (peer != INVALID_SOCKET && send_all(peer, bytes, whole)) {
            shutdown(peer, SD_SEND);
            if (i % 9 == 0)
                Sleep(20);
            if (receive_exactly(peer, bytes, whole))
                receive_service_end(peer, service, whole);
        }
        close_peer(peer);
    }
    /* More than the system's buffers hold: the shutdown arrives while the echo waits. */
    SOCKET late = in_trouble() ? INVALID_SOCKET : service_connect(server->port, service);
    size_t whole = whole_units(service, 400000);
    if (late != INVALID_SOCKET && send_all(late, bytes, whole)) {
        shutdown(late, SD_SEND);
        Sleep(300);
        if (receive_exactly(late, bytes, whole))
            receive_service_end(late, service, whole);
    }
    close_peer(late);
}

/* Sends until nothing is taken for a while, at most this many bytes. Returns how many. */
static size_t fill(SOCKET peer, const unsigned char *bytes, size_t most)
{
    size_t sent = 0;
    int size = 65536; /* otherwise all of it could be in the system's buffers */

    setsockopt(peer, SOL_SOCKET, SO_RCVBUF, (const char *)&size, sizeof size);
    setsockopt(peer, SOL_SOCKET, SO_SNDBUF, (const char *)&size, sizeof size);
    while (sent < most && wait_for_socket(peer, WRITABLE, 400) != 0) {
        size_t piece = most - sent < 65536 ? most - sent : 65536;
        int n = send(peer, (const char *)bytes + sent, (int)piece, 0);
        if (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
            break;
        sent += n > 0 ? (size_t)n : 0;
    }
    return sent;
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
    enum { MOST_MEMORY = 4 * 1024 * 1024, MOST_WAIT_MS = 1000 };
    const unsigned char *bytes = bytes_of(service);
    struct measurement before, after;

    service_visit(server->port, service, 100, 100); /* makes it allocate what it allocates once */
    bool measured = measure_server(server, &before);
    SOCKET lazy = in_trouble() ? INVALID_SOCKET : service_connect(server->port, service);
    if (lazy == INVALID_SOCKET)
        return;
    size_t sent = fill(lazy, bytes, SERVICE_SIZE - service->unit);
    double begun = now_ms();
    if (!in_trouble())
        service_visit(server->port, service, 65536, 65536);
    if (now_ms() - begun > MOST_WAIT_MS && !verified)
        trouble(FAILED, "which call waits for the client that does not read?",
                "while one client did not read, another had to wait %.1f s",
                (now_ms() - begun) / 1000);
    if (!measured || !measure_server(server, &after))
        cannot_measure(server);
    else if (after.memory > before.memory + MOST_MEMORY)
        trouble(FAILED, "what is stored for a client that does not read?",
                "expected at most %d KiB more memory for a client that has sent %lu KiB "
                "and does not read, found %llu KiB",
                MOST_MEMORY / 1024, (unsigned long)(sent >> 10),
                (after.memory - before.memory) >> 10);
    size_t whole = whole_units(service, sent);
    if (!in_trouble() && finish(lazy, bytes, sent, whole)) {
        shutdown(lazy, SD_SEND);
        receive_service_end(lazy, service, whole);
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
    size_t received[LATER_PEERS] = {0};
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

/* With several of them, the last send meets both a full and a nearly full buffer of the system. */
void service_reads_later(struct server *server, const struct service *service)
{
    enum { PEERS = LATER_PEERS, QUIET_MS = 300 };
    const unsigned char *bytes = bytes_of(service);
    SOCKET peers[PEERS];
    size_t sent[PEERS] = {0};
    double last = now_ms();

    for (int i = 0; i < PEERS; i++) {
        int size = 65536;
        peers[i] = in_trouble() ? INVALID_SOCKET : service_connect(server->port, service);
        setsockopt(peers[i], SOL_SOCKET, SO_RCVBUF, (const char *)&size, sizeof size);
        setsockopt(peers[i], SOL_SOCKET, SO_SNDBUF, (const char *)&size, sizeof size);
    }
    while (!in_trouble() && now_ms() - last < QUIET_MS) {
        for (int i = 0; i < PEERS; i++) {
            size_t left = SERVICE_SIZE - sent[i], piece = 20000 + 1777 * (size_t)i;
            int n = send(peers[i], (const char *)bytes + sent[i],
                         (int)(left < piece ? left : piece), 0);
            if (n > 0) {
                sent[i] += (size_t)n;
                last = now_ms();
            }
        }
        Sleep(1);
    }
    for (int i = 0; i < PEERS && !in_trouble(); i++) {
        shutdown(peers[i], SD_SEND);
        sent[i] -= service->unit > 1 ? sent[i] % service->unit : 0; /* the rest is dropped */
    }
    if (!in_trouble())
        receive_later(peers, sent, PEERS, bytes);
    for (int i = 0; i < PEERS && !in_trouble(); i++) {
        wait_for_socket(peers[i], READABLE, STALL_MS); /* see receive_later */
        receive_service_end(peers[i], service, sent[i]);
    }
    end_peers(peers, PEERS);
}

void service_resets(struct server *server, const struct service *service)
{
    enum { RESETS = 60 };
    const unsigned char *bytes = bytes_of(service);

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
            fill(peer, bytes, SERVICE_SIZE);
            reset_peer(peer);
        }
    }
    if (!in_trouble())
        service_visit(server->port, service, 100000, 65536);
}

/* The echo of each client is refused, and then its connection is reset: the server waits to send,
 * and must learn of the end nevertheless. After the first round it has everything that it keeps. */
void service_lazy_resets(struct server *server, const struct service *service)
{
    enum { COUNT = 12, ROUNDS = 2, FILLING_MS = 1000, PIECE = 65536 };
    const int little = 65536; /* so that little fills the buffers of both directions */
    const unsigned char *bytes = bytes_of(service);
    SOCKET peers[COUNT];
    struct measurement before = {0, 0, 0};
    bool measured = false;

    for (int round = 0; round < ROUNDS && !in_trouble(); round++) {
        size_t sent[COUNT] = {0};
        for (int i = 0; i < COUNT; i++) {
            peers[i] = in_trouble() ? INVALID_SOCKET : service_connect(server->port, service);
            setsockopt(peers[i], SOL_SOCKET, SO_RCVBUF, (const char *)&little, sizeof little);
        }
        for (double end = now_ms() + FILLING_MS; now_ms() < end && !in_trouble(); Sleep(5)) {
            for (int i = 0; i < COUNT; i++) {
                size_t left = SERVICE_SIZE - sent[i];
                int n = send(peers[i], (const char *)bytes + sent[i],
                             left < PIECE ? (int)left : PIECE, 0);
                sent[i] += n > 0 ? (size_t)n : 0;
            }
        }
        for (int i = 0; i < COUNT; i++) {
            if (peers[i] != INVALID_SOCKET)
                reset_peer(peers[i]);
        }
        Sleep(300); /* the server may still be closing the last one */
        service_visit(server->port, service, 100000, 65536);
        if (round == 0)
            measured = measure_server(server, &before);
    }
    expect_no_growth(server, measured ? &before : NULL, COUNT * 65536,
                     "how does the server learn of a reset while it waits to send?",
                     "after 12 resets of clients that did not read");
}

/* ---- fairness ------------------------------------------------------------------------------ */

enum { BUSY_PEERS = 12, BUSY_MS = 2500 };

struct busy {
    const struct service *service;
    int port;
    double end;
};

/* Keeps as many bytes in transit as the server takes, so that it always has something to do. */
static DWORD WINAPI busy_peer(void *parameter)
{
    struct busy *busy = parameter;
    const size_t length = whole_units(busy->service, 1024 * 1024);
    SOCKET peer = service_connect(busy->port, busy->service);

    while (peer != INVALID_SOCKET && now_ms() < busy->end &&
           exchange(peer, bytes_of(busy->service), length, 256 * 1024))
        continue;
    close_peer(peer);
    return 0;
}

/* How many milliseconds a quiet client waits at most for an answer while others are busy. */
static double longest_answer(int port, const struct service *service)
{
    struct busy busy = {service, port, now_ms() + BUSY_MS};
    HANDLE threads[BUSY_PEERS];
    const size_t length = whole_units(service, 100);
    double longest = 0;

    for (int i = 0; i < BUSY_PEERS; i++) {
        threads[i] = CreateThread(NULL, 0, busy_peer, &busy, 0, NULL);
        if (threads[i] == NULL)
            fail((int)GetLastError(), "CreateThread");
    }
    Sleep(300);
    SOCKET quiet = service_connect(port, service); /* comes last, and sends little */
    while (quiet != INVALID_SOCKET && now_ms() < busy.end - 300) {
        double begun = now_ms();
        if (!exchange(quiet, bytes_of(service), length, length))
            break;
        longest = now_ms() - begun > longest ? now_ms() - begun : longest;
        Sleep(5);
    }
    for (int i = 0; i < BUSY_PEERS; i++) {
        WaitForSingleObject(threads[i], INFINITE); /* each wait in it is bounded */
        CloseHandle(threads[i]);
    }
    close_peer(quiet);
    return longest;
}

/* On a busy machine a fair server may be late as well, but not each time. */
void service_is_fair(struct server *server, const struct service *service)
{
    enum { TRIES = 3, MOST_MS = 1000 };
    double shortest = 0;

    bytes_of(service); /* made once, before there are threads */
    for (int i = 0; i < TRIES && !in_trouble(); i++) {
        double longest = longest_answer(server->port, service);
        if (longest <= MOST_MS)
            return;
        shortest = i == 0 || longest < shortest ? longest : shortest;
    }
    trouble(FAILED, "which of several signalled events is served first, again and again?",
            "expected a quiet client to be answered within %.1f s while %d others are busy, found "
            "%.1f s, the best of %d times",
            MOST_MS / 1000.0, BUSY_PEERS, shortest / 1000, TRIES);
}

/* ---- places -------------------------------------------------------------------------------- */

enum { PLACES = 60, LATE = 30, LEAVERS = 140 };

static void leave(int port, const struct service *service, int way)
{
    const unsigned char *bytes = bytes_of(service);
    SOCKET peer = connect_peer(port);

    if (peer == INVALID_SOCKET)
        return;
    if (way % 4 != 0)
        send(peer, (const char *)bytes, way % 3 == 0 ? 2 : 5000, 0);
    if (way % 2 == 0)
        shutdown(peer, SD_SEND);
    if (way % 4 == 3)
        reset_peer(peer);
    else
        closesocket(peer);
}

void service_places(struct server *server, const struct service *service)
{
    static SOCKET peers[PLACES + LATE];
    const unsigned char *bytes = bytes_of(service);
    const size_t whole = whole_units(service, 100);

    for (int i = 0; i < LEAVERS && !in_trouble(); i++)
        leave(server->port, service, i);
    Sleep(200);
    for (int i = 0; i < PLACES + LATE; i++)
        peers[i] = in_trouble() ? INVALID_SOCKET : connect_peer(server->port);
    for (int i = 0; i < PLACES + LATE && !in_trouble(); i++)
        send_all(peers[i], bytes, whole);
    for (int i = 0; i < PLACES + LATE && !in_trouble(); i++) {
        /* From the 61st on each may have to wait until one that was served has left. */
        if (i >= PLACES) {
            closesocket(peers[i - PLACES]);
            peers[i - PLACES] = INVALID_SOCKET;
        }
        if (wait_for_socket(peers[i], READABLE, (DWORD)patience_ms) == 0)
            trouble(TIMED_OUT, "is each place freed again, and what makes the server accept again?",
                    i < PLACES
                        ? "%d clients have come and left; then 60 came at the same time, and "
                          "client %d of them was not served"
                        : "%d clients have come and left; then 90 came, and client %d of "
                          "them was not served when another one had left",
                    (int)LEAVERS, i + 1);
        else if ((service->opens == NULL || service->opens(peers[i])) &&
                 receive_exactly(peers[i], bytes, whole) && i % 2 == 0) {
            shutdown(peers[i], SD_SEND);
            receive_service_end(peers[i], service, whole);
        }
    }
    end_peers(peers, PLACES + LATE);
}

void service_full(struct server *server, const struct service *service,
                  bool (*leaves)(SOCKET peer, const struct service *service, int number),
                  const char *how)
{
    enum { MORE = 8 };
    static SOCKET peers[PLACES + MORE];
    const unsigned char *bytes = bytes_of(service);
    const size_t whole = whole_units(service, 100);

    connect_peers(server->port, peers, PLACES + MORE);
    for (int i = 0; i < PLACES + MORE && !in_trouble(); i++)
        send_all(peers[i], bytes, whole);
    for (int i = 0; i < PLACES + MORE && !in_trouble(); i++) {
        if (i >= PLACES) { /* the server may have a place for a few of these even so */
            SOCKET peer = peers[i - PLACES];
            peers[i - PLACES] = INVALID_SOCKET; /* it is closed in leaves */
            if (!leaves(peer, service, i - PLACES))
                break;
        }
        if (wait_for_socket(peers[i], READABLE, (DWORD)patience_ms) == 0)
            trouble(TIMED_OUT, "what makes the server accept again, whatever ends a client?",
                    i < PLACES ? "%d clients came at the same time, and client %d was not served"
                               : "%d clients came at the same time; client %d was not served even "
                                 "when %d others %s",
                    PLACES + MORE, i + 1, i - PLACES + 1, how);
        else if (service->opens == NULL || service->opens(peers[i]))
            receive_exactly(peers[i], bytes, whole);
    }
    end_peers(peers, PLACES + MORE);
}

/* First with a receive in progress, and then, several times in a row, with a send that is refused:
 * some systems report a reset as an end while nothing is sent. */
static bool leave_with_error(SOCKET peer, const struct service *service, int number)
{
    if (number < 5 && number % 2 == 1)
        send(peer, (const char *)bytes_of(service), 5000, 0);
    if (number >= 5)
        fill(peer, bytes_of(service), SERVICE_SIZE);
    reset_peer(peer);
    return true;
}

void service_full_resets(struct server *server, const struct service *service)
{
    service_full(server, service, leave_with_error, "left with a reset");
}

/* ---- idle, leaks, stop --------------------------------------------------------------------- */

void service_sleeps(struct server *server, const struct service *service)
{
    enum { PEERS = 3, SLEEP_MS = 900 };
    SOCKET peers[PEERS] = {INVALID_SOCKET, INVALID_SOCKET, INVALID_SOCKET};

    expect_sleep(server, SLEEP_MS);
    for (int i = 0; i < PEERS && !in_trouble(); i++)
        peers[i] = service_connect(server->port, service);
    if (!in_trouble() && exchange(peers[0], bytes_of(service), whole_units(service, 5000), 5000) &&
        (service->unit < 5 || send_all(peers[1], bytes_of(service), 5))) /* and no more */
        expect_sleep(server, SLEEP_MS);
    end_peers(peers, PEERS);
    if (!in_trouble())
        expect_sleep(server, SLEEP_MS);
}

void service_leaks_nothing(const struct service *service)
{
    enum { WARM_UP = 100, CLIENTS = 600, MESSAGES = 1500 };
    static const char freed[] = "what is closed and freed, and when?";
    const unsigned char *bytes = bytes_of(service);
    struct measurement before = {0, 0, 0};
    const size_t whole = whole_units(service, 100);
    struct server server;
    bool measured = true;

    if (!start_server(&server, "--quiet"))
        return;
    for (int i = 0; i < WARM_UP + CLIENTS && !in_trouble(); i++) {
        if (i == WARM_UP)
            measured = measure_server(&server, &before);
        if (i % 4 == 3)
            leave(server.port, service, i / 4);
        else
            service_visit(server.port, service, 100, 100);
    }
    Sleep(200); /* the server may still be closing the last one */
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

struct talker {
    SOCKET peer;
    const unsigned char *bytes;
};

/* Sends and reads until the server ends the connection. */
static DWORD WINAPI keep_sending(void *parameter)
{
    struct talker *talker = parameter;
    char bytes[4096];
    size_t sent = 0;

    for (double end = now_ms() + 2.0 * patience_ms; now_ms() < end;) {
        size_t left = SERVICE_SIZE - sent;
        int n = send(talker->peer, (const char *)talker->bytes + sent,
                     left < sizeof bytes ? (int)left : (int)sizeof bytes, 0);
        if (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
            break;
        sent = n > 0 ? (sent + (size_t)n) % SERVICE_SIZE : sent;
        wait_for_socket(talker->peer, READABLE, 20);
        n = recv(talker->peer, bytes, sizeof bytes, 0);
        if (n == 0 || (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK))
            break;
    }
    return 0;
}

void service_stops(const struct service *service)
{
    enum { SILENT, NEW, LAZY, HALF_CLOSED, INCOMPLETE, BUSY, COUNT };
    const unsigned char *bytes = bytes_of(service);
    SOCKET peers[COUNT] = {INVALID_SOCKET, INVALID_SOCKET, INVALID_SOCKET,
                           INVALID_SOCKET, INVALID_SOCKET, INVALID_SOCKET};
    struct server server;

    if (!start_server(&server, "--quiet"))
        return;
    for (int i = 0; i < COUNT && !in_trouble(); i++)
        peers[i] = i == NEW ? connect_peer(server.port) : service_connect(server.port, service);
    if (!in_trouble()) {
        struct talker talker = {peers[BUSY], bytes};
        exchange(peers[SILENT], bytes, whole_units(service, 1000), 1000);
        send_all(peers[INCOMPLETE], bytes, 3);
        fill(peers[LAZY], bytes, SERVICE_SIZE);
        fill(peers[HALF_CLOSED], bytes, SERVICE_SIZE);
        shutdown(peers[HALF_CLOSED], SD_SEND);
        HANDLE thread = CreateThread(NULL, 0, keep_sending, &talker, 0, NULL);
        if (thread == NULL)
            fail((int)GetLastError(), "CreateThread");
        Sleep(200);
        stop_server(&server);
        WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
    } else {
        stop_server(&server);
    }
    end_peers(peers, COUNT);
}
