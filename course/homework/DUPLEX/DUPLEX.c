/* DUPLEX.c - the checks of the exercise DUPLEX. */
#include "../../../tests/service_checks.h"

#include <stdlib.h>

enum { CHAPTER_BUFFER = 131072 };
static const struct service duplex_service = {.unit = 0};

/* What the two lines that the statement fixes have said so far. */
struct narrated {
    int receives;                /* lines with "N bytes received" and an N above 0 */
    unsigned long long received; /* the sum of their N */
    unsigned long long last, last_but_one;
    int sends; /* lines with "N bytes sent" */
    unsigned long long sent;
};

static const char narrated_hint[] = "the two lines of the narration that the statement fixes";

static struct narrated read_narration(struct server *server)
{
    static const char received[] = " bytes received", sent[] = " bytes sent";
    struct capture *output = &server->process.output;
    struct narrated narrated = {0, 0, 0, 0, 0, 0};

    EnterCriticalSection(&output->lock);
    for (size_t i = 1; i < output->length; i++) {
        const char *here = output->bytes + i, *digit = here; /* followed by '\0' */
        if (*here != ' ' || here[-1] < '0' || here[-1] > '9')
            continue;
        while (digit > output->bytes && digit[-1] >= '0' && digit[-1] <= '9')
            digit--;
        unsigned long long bytes = strtoull(digit, NULL, 10);
        if (strncmp(here, received, strlen(received)) == 0 && bytes > 0) {
            narrated.receives++;
            narrated.received += bytes;
            narrated.last_but_one = narrated.last;
            narrated.last = bytes;
        } else if (strncmp(here, sent, strlen(sent)) == 0) {
            narrated.sends++;
            narrated.sent += bytes;
        }
    }
    LeaveCriticalSection(&output->lock);
    return narrated;
}

/* The two lines are compared with what the client has sent, before anything is concluded from
 * them. */
static void duplex_narrates(struct server *server)
{
    enum { MESSAGES = 20, LENGTH = 3000 };
    SOCKET peer = connect_peer(server->port);
    for (int i = 0; i < MESSAGES && peer != INVALID_SOCKET && !in_trouble(); i++)
        exchange(peer, pattern, LENGTH, LENGTH);
    if (peer != INVALID_SOCKET && !in_trouble()) {
        shutdown(peer, SD_SEND);
        receive_end(peer);
        give_time(100); /* the last lines may still be on their way */
        struct narrated narrated = read_narration(server);
        if (narrated.received != MESSAGES * LENGTH || narrated.sent != MESSAGES * LENGTH)
            trouble(
                FAILED, narrated_hint,
                "expected the lines with \"N bytes received\", and those with \"N bytes sent\", to "
                "add up to %d bytes, found %llu bytes in %d lines and %llu bytes in %d lines",
                MESSAGES * LENGTH, narrated.received, narrated.receives, narrated.sent,
                narrated.sends);
    }
    close_peer(peer);
}

/* The peer does not read, so the last send stays pending. What has then been received but not sent
 * is in the server's buffers: the last receive in one of them, and the rest of the receive before
 * it in the other. */
static void duplex_receives_ahead(struct server *server)
{
    SOCKET peer = connect_peer(server->port);
    if (peer != INVALID_SOCKET) {
        size_t sent = send_until_refused(peer);
        struct narrated narrated = read_narration(server);
        unsigned long long kept = narrated.received - narrated.sent;
        if (narrated.receives == 0 || narrated.received > sent || narrated.sent > narrated.received)
            trouble(
                FAILED, narrated_hint,
                "expected the lines with \"N bytes received\" to add up to at most %lu bytes, and "
                "those with \"N bytes sent\" to no more than that sum, found %llu and %llu bytes",
                (unsigned long)sent, narrated.received, narrated.sent);
        else if (kept <= narrated.last)
            trouble(FAILED, "when does the next WSARecv begin?",
                    "expected one more receive to complete while the last send is pending, found "
                    "%d receives, the last one of %llu bytes, and only %llu bytes waiting",
                    narrated.receives, narrated.last, kept);
        else if (kept > narrated.last + narrated.last_but_one)
            trouble(
                FAILED,
                "what is received while a send is pending must be kept, and nothing more received",
                "expected at most two receives to wait, of %llu and %llu bytes, found %llu bytes "
                "that are received and not sent",
                narrated.last_but_one, narrated.last, kept);
        else if (kept > 2 * CHAPTER_BUFFER)
            trouble(FAILED, "how large is each of the two buffers?",
                    "expected two buffers of the chapter's size, %d bytes each, found %llu bytes "
                    "that are received and not sent",
                    CHAPTER_BUFFER, kept);
        else if (receive_exactly(peer, pattern, sent)) { /* what was kept is not forgotten */
            shutdown(peer, SD_SEND);
            receive_end(peer);
        }
        closesocket(peer);
    }
}

enum { SENT_TOGETHER = 65536 };

/* Sends from here on until nothing is taken for a while. Returns how many bytes are sent then. */
static size_t send_more(SOCKET peer, size_t sent)
{
    const DWORD quiet_ms = (DWORD)at_this_pace(300);

    while (sent + SENT_TOGETHER <= PATTERN_SIZE && wait_for_socket(peer, WRITABLE, quiet_ms) != 0) {
        int n = send(peer, (const char *)pattern + sent, SENT_TOGETHER, 0);
        if (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
            break;
        sent += n > 0 ? (size_t)n : 0;
    }
    return sent;
}

/* The peer reads until one more send completes, and no further: again a receive must complete while
 * a send is pending. So a receive begins beside each send, not only beside the first one. */
static void duplex_receives_again(struct server *server)
{
    enum { ROUNDS = 4, PIECE = 16384 };
    size_t received = 0;
    SOCKET peer = connect_peer(server->port);
    size_t sent = peer == INVALID_SOCKET ? 0 : send_more(peer, 0);

    for (int i = 0; i < ROUNDS && sent < PATTERN_SIZE && !in_trouble(); i++) {
        int sends = read_narration(server).sends;
        while (read_narration(server).sends == sends && received + PIECE <= sent && !in_trouble()) {
            if (receive_exactly(peer, pattern + received, PIECE))
                received += PIECE;
        }
        sent = send_more(peer, sent);
        if (sent + SENT_TOGETHER > PATTERN_SIZE)
            break; /* nothing was refused: the server may have received everything */
        struct narrated narrated = read_narration(server);
        if (!in_trouble() && narrated.received - narrated.sent <= narrated.last)
            trouble(FAILED, "a send completes while bytes are kept: what begins beside their send?",
                    "expected a receive to complete while the send of the kept bytes is pending, "
                    "found %llu bytes received and %llu sent, the last receive of %llu bytes",
                    narrated.received, narrated.sent, narrated.last);
    }
    close_peer(peer);
}

/* A send that is cancelled has not sent anything back. */
static void duplex_counts_what_was_sent(void)
{
    struct server server;
    struct summary summary = {0, 0, 0};

    if (!start_server(&server, ""))
        return;
    converse(server.port, pattern, 1000, 1000);
    SOCKET peer = in_trouble() ? INVALID_SOCKET : connect_peer(server.port);
    if (peer != INVALID_SOCKET)
        send_more(peer, 0);
    unsigned long long sent = read_narration(&server).sent;
    if (stop_and_keep(&server) && find_summary(&server.process, &summary) &&
        (unsigned long long)summary.bytes != sent)
        trouble(FAILED, "where are the bytes counted that were sent back?",
                "expected the summary to count the bytes of the lines with \"N bytes sent\", %llu, "
                "because the send that was pending is cancelled; found %lld",
                sent, summary.bytes);
    end_program(&server.process, "after Ctrl+C");
    close_peer(peer);
}

static void duplex_load(void)
{
    service_load(&duplex_service);
}

static void duplex_half_close(struct server *server)
{
    service_half_close(server, &duplex_service);
}

static void duplex_late(struct server *server)
{
    service_reads_late(server, &duplex_service);
}

static void duplex_later(struct server *server)
{
    service_reads_later(server, &duplex_service);
}

static void duplex_resets(struct server *server)
{
    service_resets(server, &duplex_service);
}

static void duplex_places(struct server *server)
{
    service_places(server, &duplex_service);
}

static void duplex_sleeps(struct server *server)
{
    service_sleeps(server, &duplex_service);
}

static void duplex_leaks_nothing(void)
{
    service_leaks_nothing(&duplex_service);
}

static void duplex_stops(void)
{
    service_stops(&duplex_service);
}

static void duplex_no_socket_left(void)
{
    service_no_socket_left(&duplex_service);
}

static const struct check duplex_checks[] = {
    {.name = "the narration tells what is received and what is sent",
     .talk = duplex_narrates,
     .options = ""},
    {.name = "the next receive completes while a send is pending",
     .talk = duplex_receives_ahead,
     .options = ""},
    {.name = "the next one completes while the send after that is pending",
     .talk = duplex_receives_again,
     .options = ""},
    {.name = "the summary counts what was sent, without a send that is cancelled",
     .run = duplex_counts_what_was_sent},
    {.name = "8 clients at the same time; the summary counts what they sent", .run = duplex_load},
    {.name = "bytes and shutdown together: everything comes back",
     .talk = duplex_half_close,
     .options = "--quiet"},
    {.name = "a client that reads late gets everything, and costs little until then",
     .talk = duplex_late,
     .options = "--quiet"},
    {.name = "6 clients that read only after their shutdown get everything",
     .talk = duplex_later,
     .options = "--quiet"},
    {.name = "60 resets, and the next client is served",
     .talk = duplex_resets,
     .options = "--quiet"},
    {.name = "140 clients leave, 90 come", .talk = duplex_places, .options = "--quiet"},
    {.name = "the server sleeps, with clients and without",
     .talk = duplex_sleeps,
     .options = "--quiet"},
    {.name = "600 clients and 1,500 messages leak nothing", .run = duplex_leaks_nothing},
    {.name = "no socket left: a client waits, and is served when another one has left",
     .run = duplex_no_socket_left},
    {.name = "Ctrl+C with clients of each kind", .run = duplex_stops},
    {0},
};

const struct exercise DUPLEX = {
    .name = "DUPLEX",
    .options = "",
    .checks = duplex_checks,
    .reused = {"12 resets", "storm of 200", "mixed storm", "in any order",
               "do not starve a quiet one", "idle costs", "Ctrl+C: the summary", "wrong arguments"},
};
