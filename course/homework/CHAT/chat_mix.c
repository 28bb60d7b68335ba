/* chat_mix.c - clients of a chat that do anything in any order. See CHAT.h. */
#include "CHAT.h"

#include <stdlib.h>

enum { GUESTS = 12, ROUNDS = 4, ACTS = 400, VERIFIED_ACTS = 150, MOST_EVER = 1500 };

/* A client whose queue has never been longer than this may not be disconnected: 256 KiB, and some
 * lines of its own that it may have missed. */
enum { QUEUE_SIZE = 256 * 1024, READ_SIZE = 32 * 1024, FLOOD_LINES = 256 };

enum { MOST_SHUT = 16 };

/* Which of the lines of a client comes next to another one. */
enum { ANY_LINE = -1 };

struct guest {
    SOCKET peer; /* INVALID_SOCKET: it is not here */
    int number;  /* of all guests that have ever come */
    int said;    /* whole lines */
    int part;    /* bytes of the next line that have been sent */
    bool is_in;  /* it has heard a line: from now on each one must come */
    bool slow;   /* it hardly ever reads */
    bool full;   /* its queue may have been full */
    size_t behind, heard;
    size_t unfinished; /* bytes of a line that has not come to its end */
    unsigned char line[CHAT_LINE + 1];
    int next[MOST_EVER];
};

struct chat_mix {
    int port;
    unsigned drawn;
    struct guest guests[GUESTS];
    SOCKET shut[MOST_SHUT]; /* they have shut down, and read nothing more */
    int shut_count;
    int come;             /* guests that have ever come */
    int total[MOST_EVER]; /* whole lines of one that has left in order; 0: it has not */
    int least_clients;
    long long least_bytes;
};

/* Writes a line of that guest, up to CHAT_LINE bytes of any value. Returns how many. */
static int write_line(unsigned char *line, int guest, int number)
{
    static const int lengths[] = {0, CHAT_LINE, 1000, 20, 30, 5, 77, 12};
    const int kinds = sizeof lengths / sizeof lengths[0];
    int length = snprintf((char *)line, CHAT_LINE, "%d %d ", guest, number);

    for (int end = lengths[(guest + number) % kinds] - 1; length < end; length++) {
        line[length] = (unsigned char)(guest * 7 + number * 13 + length);
        if (line[length] == '\n')
            line[length] = 0;
    }
    line[length] = '\n';
    return length + 1;
}

static bool is_here(const struct guest *guest)
{
    return guest->peer != INVALID_SOCKET;
}

static void arrive(struct chat_mix *mix, struct guest *guest)
{
    const int number = mix->come;

    if (number == MOST_EVER)
        return;
    mix->come++;
    *guest = (struct guest){.peer = connect_peer(mix->port), .number = number};
    guest->slow = number % 4 == 3;
    if (guest->slow)
        use_small_buffers(guest->peer);
    for (int i = 0; i < MOST_EVER; i++)
        guest->next[i] = i < number ? ANY_LINE : 0;
    for (int i = 0; i < GUESTS; i++) {
        if (!mix->guests[i].is_in)
            mix->guests[i].next[number] = ANY_LINE;
    }
}

static void forget(struct chat_mix *mix, struct guest *guest, int said)
{
    mix->total[guest->number] = said;
    mix->least_clients += guest->is_in;
    /* A send that is cancelled counts nothing, although a part of it may have come. */
    mix->least_bytes += guest->heard > QUEUE_SIZE ? (long long)(guest->heard - QUEUE_SIZE) : 0;
    guest->peer = INVALID_SOCKET;
}

/* The server has ended the connection, which it may do only when a queue is full. */
static void end_came(struct chat_mix *mix, struct guest *guest)
{
    if (!guest->full)
        trouble(FAILED, "which client is disconnected, and when?",
                "at most %lu KiB were on their way to a client: expected it to stay connected, "
                "found the end of its connection",
                (unsigned long)(guest->behind >> 10));
    closesocket(guest->peer);
    forget(mix, guest, 0);
}

/* The line has come whole: it must be the one that comes next from its talker. */
static void check_line(struct guest *guest, int length)
{
    unsigned char expected[CHAT_LINE + 1];
    int talker = -1, number = -1;

    guest->line[length] = 0;
    bool known = sscanf((const char *)guest->line, "%d %d ", &talker, &number) == 2 &&
                 talker >= 0 && talker < MOST_EVER && talker != guest->number && number >= 0;
    if (!known || write_line(expected, talker, number) != length ||
        memcmp(guest->line, expected, (size_t)length) != 0) {
        char text[SHOWN_SIZE];
        trouble(FAILED, "is each line put whole into a client's queue, behind those before it?",
                "expected a line of another client, found %d bytes that are none: \"%s\"", length,
                show_bytes(text, (const char *)guest->line, (size_t)length));
    } else if (guest->next[talker] != ANY_LINE && guest->next[talker] != number) {
        trouble(FAILED, "is each line put whole into a client's queue, behind those before it?",
                "expected line %d of a client, found its line %d", guest->next[talker] + 1,
                number + 1);
    }
    if (known)
        guest->next[talker] = number + 1;
    guest->is_in = true;
}

/* Takes at most this much of what has come. Returns how much that is; 0: also if it has left. */
static int listen_to(struct chat_mix *mix, struct guest *guest, int most)
{
    static char bytes[READ_SIZE];
    int received = recv(guest->peer, bytes, most, 0);

    if (received == 0 || (received == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)) {
        end_came(mix, guest);
        return 0;
    }
    for (int i = 0; i < received && !in_trouble(); i++) {
        guest->line[guest->unfinished++] = (unsigned char)bytes[i];
        if (bytes[i] == '\n' || guest->unfinished == CHAT_LINE) {
            check_line(guest, (int)guest->unfinished);
            guest->unfinished = 0;
        }
    }
    guest->heard += received > 0 ? (size_t)received : 0;
    if (received > 0)
        guest->behind -= guest->behind < (size_t)received ? guest->behind : (size_t)received;
    return received > 0 ? received : 0;
}

static void listen_to_all(struct chat_mix *mix, struct guest *guest)
{
    while (is_here(guest) && !in_trouble() && listen_to(mix, guest, READ_SIZE) > 0)
        continue;
}

/* Listens until at most this much is on its way to the guest. If nothing comes for a while, a
 * talker left with a reset, and its last lines with it. */
static void listen_until(struct chat_mix *mix, struct guest *guest, size_t behind)
{
    enum { QUIET_MS = 500 };

    for (double end = now_ms() + QUIET_MS;
         is_here(guest) && guest->behind > behind && !in_trouble();) {
        if (listen_to(mix, guest, READ_SIZE) > 0)
            end = now_ms() + QUIET_MS;
        else if (is_here(guest) && now_ms() > end)
            guest->behind = 0;
        else if (is_here(guest))
            wait_for_socket(guest->peer, READABLE, 20);
    }
}

/* What is on its way to the others is never much, except to those that hardly ever read. */
static void keep_up(struct chat_mix *mix, const struct guest *talker, size_t said)
{
    enum { MOST_BEHIND = 64 * 1024 };

    for (int i = 0; i < GUESTS; i++) {
        struct guest *guest = &mix->guests[i];
        if (!is_here(guest) || guest == talker)
            continue;
        guest->behind += said;
        guest->full = guest->full || guest->behind > QUEUE_SIZE - 2 * CHAT_LINE;
        if (!guest->slow)
            listen_until(mix, guest, MOST_BEHIND);
    }
}

/* The server takes everything, whatever its other clients do. */
static void send_bytes(struct chat_mix *mix, struct guest *guest, const unsigned char *bytes,
                       size_t length)
{
    for (size_t sent = 0; sent < length && is_here(guest) && !in_trouble();) {
        int n = send(guest->peer, (const char *)bytes + sent, (int)(length - sent), 0);
        if (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
            end_came(mix, guest);
        else if (n == SOCKET_ERROR &&
                 wait_for_socket(guest->peer, WRITABLE, (DWORD)patience_ms) == 0)
            trouble(TIMED_OUT, "what makes the server receive again?",
                    "the server took nothing more from a client for %d s", patience_ms / 1000);
        sent += n > 0 ? (size_t)n : 0;
    }
}

/* Sends the rest of a line that has begun, and more lines, all together. */
static void say_lines(struct chat_mix *mix, struct guest *guest, int count)
{
    static unsigned char lines[FLOOD_LINES * CHAT_LINE];
    size_t length = 0;

    for (int i = 0; i < count; i++)
        length += (size_t)write_line(lines + length, guest->number, guest->said + i);
    send_bytes(mix, guest, lines + guest->part, length - (size_t)guest->part);
    if (!is_here(guest))
        return;
    guest->said += count;
    guest->part = 0;
    keep_up(mix, guest, length);
}

static void say_a_part(struct chat_mix *mix, struct guest *guest)
{
    unsigned char line[CHAT_LINE + 1];
    int left = write_line(line, guest->number, guest->said) - guest->part - 1;

    if (left > 0) {
        int length = 1 + (int)draw(&mix->drawn, (unsigned)left);
        send_bytes(mix, guest, line + guest->part, (size_t)length);
        guest->part += length;
    }
}

/* The server disconnects it; the whole lines that it has sent are passed on. */
static void leave_in_order(struct chat_mix *mix, struct guest *guest)
{
    shutdown(guest->peer, SD_SEND);
    if (wait_for_end(guest->peer, patience_ms) < 0)
        trouble(TIMED_OUT, "what happens when recv returns 0, or FD_CLOSE comes?",
                "expected a client that shuts down to be disconnected, found it still connected");
    closesocket(guest->peer);
    forget(mix, guest, guest->said);
}

/* It does not read until the round ends: the server need not wait for that. */
static void shut_down(struct chat_mix *mix, struct guest *guest)
{
    shutdown(guest->peer, SD_SEND);
    mix->shut[mix->shut_count++] = guest->peer;
    forget(mix, guest, guest->said);
}

static void hear_the_ends(struct chat_mix *mix)
{
    while (mix->shut_count > 0) {
        SOCKET peer = mix->shut[--mix->shut_count];
        if (!in_trouble() && wait_for_end(peer, patience_ms) < 0)
            trouble(TIMED_OUT, "what happens when recv returns 0, or FD_CLOSE comes?",
                    "expected a client that has shut down and not read to be disconnected, found "
                    "it still connected");
        closesocket(peer);
    }
}

static void leave(struct chat_mix *mix, struct guest *guest)
{
    if (draw(&mix->drawn, 2) == 0)
        reset_peer(guest->peer);
    else
        closesocket(guest->peer);
    forget(mix, guest, 0);
}

static void act(struct chat_mix *mix, struct guest *guest)
{
    if (!is_here(guest)) {
        arrive(mix, guest);
        return;
    }
    unsigned what = draw(&mix->drawn, 40);
    if (what == 0 && guest->slow && mix->shut_count < MOST_SHUT)
        shut_down(mix, guest);
    else if (what == 0 && !guest->slow)
        leave_in_order(mix, guest);
    else if (what == 1 && !guest->slow)
        leave(mix, guest);
    else if (what <= 3)
        say_lines(mix, guest, FLOOD_LINES);
    else if (what <= 12)
        say_a_part(mix, guest);
    else if (what <= 26)
        say_lines(mix, guest, 1 + (int)draw(&mix->drawn, 3));
    else if (what == 27)
        Sleep(1 + draw(&mix->drawn, 3));
    else if (!guest->slow || what == 28)
        listen_to(mix, guest, 1 + (int)draw(&mix->drawn, READ_SIZE));
}

/* Whether each line that must come to the guest has come. */
static bool has_heard_all(const struct chat_mix *mix, const struct guest *guest)
{
    for (int i = 0; i < mix->come; i++) {
        if (guest->next[i] != ANY_LINE && guest->next[i] < mix->total[i])
            return false;
    }
    for (int i = 0; i < GUESTS; i++) {
        const struct guest *other = &mix->guests[i];
        if (other != guest && is_here(other) && guest->next[other->number] < other->said)
            return false;
    }
    return true;
}

/* Each of those that are here says a line. */
static void all_say_a_line(struct chat_mix *mix)
{
    for (int i = 0; i < GUESTS && !in_trouble(); i++) {
        if (is_here(&mix->guests[i]))
            say_lines(mix, &mix->guests[i], 1);
    }
}

/* All listen. Returns how many do not hear all that they must hear. */
static int count_missing(struct chat_mix *mix)
{
    int missing = 0;

    for (int i = 0; i < GUESTS && !in_trouble(); i++) {
        struct guest *guest = &mix->guests[i];
        if (!is_here(guest))
            continue;
        listen_to_all(mix, guest);
        missing += is_here(guest) && !(guest->is_in && has_heard_all(mix, guest));
    }
    return missing;
}

/* All lines come to all of those that are here, and then the server is at rest. */
static void calm(struct chat_mix *mix, struct server *server)
{
    enum { SLEEP_MS = 400, EACH_MS = 200 };
    const double end = now_ms() + 2.0 * patience_ms;
    double said = 0;
    int missing = 1;

    while (missing > 0 && now_ms() < end && !in_trouble()) {
        if (said == 0 || now_ms() - said > EACH_MS) { /* one has perhaps just been accepted */
            all_say_a_line(mix);
            said = now_ms();
        }
        Sleep(1);
        missing = count_missing(mix);
    }
    if (missing > 0 && !in_trouble())
        trouble(TIMED_OUT, "what happens to a line that cannot be sent immediately?",
                "expected all lines of the others to come to each client, found that %d of them "
                "still wait for some",
                missing);
    if (!in_trouble())
        expect_sleep(server, SLEEP_MS);
    hear_the_ends(mix);
}

static void leave_all(struct chat_mix *mix)
{
    for (int i = 0; i < GUESTS; i++) {
        if (is_here(&mix->guests[i]))
            leave(mix, &mix->guests[i]);
    }
}

static void play(struct chat_mix *mix)
{
    for (int i = 0; i < (verified ? VERIFIED_ACTS : ACTS) && !in_trouble(); i++)
        act(mix, &mix->guests[draw(&mix->drawn, GUESTS)]);
}

void chat_any_order(void)
{
    enum { MOST_MEMORY = 4 * 1024 * 1024 };
    static struct chat_mix mix;
    struct server server;
    struct measurement before = {0};
    struct summary found = {0, 0, 0};
    bool measured = true;

    if (!start_server(&server, "--quiet"))
        return;
    mix = (struct chat_mix){.port = server.port, .drawn = 1};
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
    bool stopped = stop_soon_and_keep(&server) && find_summary(&server.process, &found);
    leave_all(&mix);
    end_peers(mix.shut, mix.shut_count);
    if (stopped && (found.clients < mix.least_clients || found.clients > mix.come))
        trouble(FAILED, "which clients are counted, and when?",
                "expected %d to %d clients in the summary, found %d", mix.least_clients, mix.come,
                found.clients);
    else if (stopped && found.bytes < mix.least_bytes)
        trouble(FAILED, "which bytes are counted, and when?",
                "expected at least %lld bytes in the summary, found %lld", mix.least_bytes,
                found.bytes);
    end_program(&server.process, "after Ctrl+C");
}
