/* service_mix.c - clients that do anything in any order. See service_checks.h. */
#include "service_checks.h"

enum { GUESTS = 24, ROUNDS = 3, ACTS = 500, VERIFIED_ACTS = 200, MOST_SENT = 2 * 1024 * 1024 };

/* One of the clients. What it does is drawn; what must come to it follows from what it did. */
struct guest {
    SOCKET peer; /* INVALID_SOCKET: it is not here */
    bool opened; /* what comes first has come */
    bool shut;   /* it has shut down */
    size_t sent, received;
};

/* All of them, and what the summary may say about them. */
struct mix {
    const struct service *service;
    int port;
    unsigned drawn;
    struct guest guests[GUESTS];
    int least_clients, most_clients;
    long long least_bytes, most_bytes;
};

/* How much must come back of what the guest has sent. */
static size_t due(const struct mix *mix, const struct guest *guest)
{
    const size_t unit = mix->service->unit > 1 ? mix->service->unit : 1;
    return guest->sent - guest->sent % unit;
}

static void arrive(struct mix *mix, struct guest *guest)
{
    *guest = (struct guest){.peer = connect_peer(mix->port)};
    if (draw(&mix->drawn, 3) == 0)
        use_small_buffers(guest->peer);
    mix->most_clients++;
}

/* Sends what the server takes immediately, and no more. */
static void send_some(struct mix *mix, struct guest *guest)
{
    static const unsigned lengths[] = {1, 5, 100, 2000, 20000, 130000, 300000};
    const size_t kinds = sizeof lengths / sizeof lengths[0];
    size_t length = 1 + draw(&mix->drawn, lengths[draw(&mix->drawn, (unsigned)kinds)]);

    if (guest->shut || guest->sent + length > MOST_SENT)
        return;
    int n =
        send(guest->peer, (const char *)service_bytes(mix->service) + guest->sent, (int)length, 0);
    guest->sent += n > 0 ? (size_t)n : 0;
}

static bool open_guest(const struct mix *mix, struct guest *guest)
{
    if (!guest->opened)
        guest->opened = mix->service->opens == NULL || mix->service->opens(guest->peer);
    return guest->opened;
}

/* Receives some of what has come. */
static void receive_now(const struct mix *mix, struct guest *guest)
{
    const size_t length = due(mix, guest);

    if (guest->received == length || wait_for_socket(guest->peer, READABLE, 0) == 0 ||
        !open_guest(mix, guest))
        return;
    int n = receive_some(guest->peer, service_bytes(mix->service), guest->received, length);
    guest->received += n > 0 ? (size_t)n : 0;
}

/* Everything comes back, whatever the others do. */
static void receive_all(const struct mix *mix, struct guest *guest)
{
    const size_t length = due(mix, guest);

    if (open_guest(mix, guest) &&
        receive_exactly(guest->peer, service_bytes(mix->service) + guest->received,
                        length - guest->received))
        guest->received = length;
}

/* It is not here any more; what it has received is counted, but a send that is cancelled counts
 * nothing, although a part of it may have come back. */
static void forget(struct mix *mix, struct guest *guest, bool in_order)
{
    const bool served = guest->received > 0 || in_order;
    const size_t uncounted = in_order ? 0 : BUFFER;

    mix->least_clients += served;
    mix->least_bytes += guest->received > uncounted ? (long long)(guest->received - uncounted) : 0;
    mix->most_bytes += (long long)due(mix, guest);
    guest->peer = INVALID_SOCKET;
}

static void shut_down(struct guest *guest)
{
    shutdown(guest->peer, SD_SEND);
    guest->shut = true;
}

static void leave_in_order(struct mix *mix, struct guest *guest)
{
    if (!guest->shut)
        shut_down(guest);
    receive_all(mix, guest);
    if (!in_trouble())
        service_receive_end(guest->peer, mix->service, guest->received);
    closesocket(guest->peer);
    forget(mix, guest, true);
}

/* With a reset, or as a program does that ends: what has come is perhaps not read. */
static void leave(struct mix *mix, struct guest *guest)
{
    if (draw(&mix->drawn, 2) == 0)
        reset_peer(guest->peer);
    else
        closesocket(guest->peer);
    forget(mix, guest, false);
}

static void act(struct mix *mix, struct guest *guest)
{
    if (guest->peer == INVALID_SOCKET) {
        arrive(mix, guest);
        return;
    }
    switch (draw(&mix->drawn, 16)) {
    case 0:
        leave_in_order(mix, guest);
        break;
    case 1:
        leave(mix, guest);
        break;
    case 2:
        shut_down(guest);
        break;
    case 3:
    case 4:
        receive_all(mix, guest);
        break;
    case 5:
        Sleep(1 + draw(&mix->drawn, 3));
        break;
    case 6:
    case 7:
    case 8:
    case 9:
        receive_now(mix, guest);
        break;
    default:
        send_some(mix, guest);
    }
}

/* Ctrl+C comes in the middle of it. */
static void stop_mix(struct mix *mix, struct server *server)
{
    struct summary found = {0, 0, 0};
    bool stopped = stop_soon_and_keep(server) && find_summary(&server->process, &found);

    for (int i = 0; i < GUESTS; i++) {
        if (mix->guests[i].peer != INVALID_SOCKET)
            leave(mix, &mix->guests[i]);
    }
    if (stopped && (found.clients < mix->least_clients || found.clients > mix->most_clients))
        trouble(FAILED, "which clients are counted, and when?",
                "expected %d to %d clients in the summary, found %d", mix->least_clients,
                mix->most_clients, found.clients);
    else if (stopped && (found.bytes < mix->least_bytes || found.bytes > mix->most_bytes))
        trouble(FAILED, "which bytes are counted, and when?",
                "expected %lld to %lld bytes in the summary, found %lld", mix->least_bytes,
                mix->most_bytes, found.bytes);
    end_program(&server->process, "after Ctrl+C");
}

static void play(struct mix *mix)
{
    for (int i = 0; i < (verified ? VERIFIED_ACTS : ACTS) && !in_trouble(); i++)
        act(mix, &mix->guests[draw(&mix->drawn, GUESTS)]);
}

/* Everything comes back to each of those that are still here, and the server is at rest. */
static void calm(struct mix *mix, struct server *server)
{
    enum { SLEEP_MS = 400 };

    for (int i = 0; i < GUESTS && !in_trouble(); i++) {
        if (mix->guests[i].peer != INVALID_SOCKET)
            receive_all(mix, &mix->guests[i]);
    }
    if (!in_trouble())
        expect_sleep(server, SLEEP_MS);
}

static void leave_all(struct mix *mix)
{
    for (int i = 0; i < GUESTS; i++) {
        if (mix->guests[i].peer == INVALID_SOCKET)
            continue;
        if (i % 2 == 0 && !in_trouble())
            leave_in_order(mix, &mix->guests[i]);
        else
            leave(mix, &mix->guests[i]);
    }
}

void service_any_order(const struct service *service)
{
    enum { MOST_MEMORY = 4 * 1024 * 1024 };
    struct mix mix = {.service = service, .drawn = 1};
    struct server server;
    struct measurement before = {0};
    bool measured = true;

    if (!start_server(&server, "--quiet"))
        return;
    mix.port = server.port;
    for (int i = 0; i < GUESTS; i++)
        mix.guests[i].peer = INVALID_SOCKET;
    for (int round = 0; round < ROUNDS && !in_trouble(); round++) {
        play(&mix);
        calm(&mix, &server);
        leave_all(&mix);
        if (round == 0)
            measured = measure_at_rest(&server, &before);
    }
    expect_no_growth(&server, measured ? &before : NULL, MOST_MEMORY,
                     "what is closed and freed, whatever a client has done before it leaves?",
                     "after some hundred clients that did anything in any order");
    play(&mix);
    stop_mix(&mix, &server);
}
