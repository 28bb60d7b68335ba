/* IDLE.c - the checks of the exercise IDLE, and of TIMER. */
#include "IDLE.h"

enum { IDLE_LIMIT_MS = 2000, IDLE_EARLIEST_MS = 1700 };
static const char idle_hint[] = "from when is a client's time counted, and where is it checked?";
static const char idle_words[] = "idle for 2000 ms";

static double idle_latest_ms(void)
{
    return IDLE_LIMIT_MS + 1000 + at_this_pace(500);
}

/* Whether the server has closed the connection, for a peer that nothing is sent to. */
static bool has_ended(SOCKET peer)
{
    return wait_for_end(peer, 1) >= 0;
}

/* Judges an end that has come, or has not come yet, that many milliseconds after the last byte. */
static void judge_end(bool ended, double silent, const char *who)
{
    if (ended && silent < IDLE_EARLIEST_MS)
        trouble(FAILED, idle_hint,
                "%s: expected the end of the connection after %.1f s without a byte, found it "
                "after %.1f s",
                who, IDLE_LIMIT_MS / 1000.0, silent / 1000);
    else if (!ended && silent > idle_latest_ms())
        trouble(TIMED_OUT, idle_hint,
                "%s: expected the end of the connection after %.1f s without a byte, found the "
                "client still connected after %.1f s",
                who, IDLE_LIMIT_MS / 1000.0, silent / 1000);
}

/* Waits for the end of the connection of a peer that was last active at that time. */
static void expect_idle_end(SOCKET peer, double heard, const char *who)
{
    bool ended = false;

    while (peer != INVALID_SOCKET && !ended && !in_trouble()) {
        ended = wait_for_end(peer, 20) >= 0;
        judge_end(ended, now_ms() - heard, who);
    }
}

static void idle_from_the_start(struct server *server)
{
    double begun = now_ms();
    SOCKET peer = connect_peer(server->port);
    expect_idle_end(peer, begun, "a client that never sends");
    if (!in_trouble() && !wait_for_text(&server->process.output, idle_words, patience_ms))
        trouble(FAILED, "what is narrated when a silent client is disconnected?",
                "expected a line with \"%s\", found none", idle_words);
    end_peers(&peer, 1);
}

/* One client falls silent, another sends now and then: less than 2 s apart, for more than 2 s in
 * all. The narration must not have the words for a client that leaves on its own. */
static void idle_after_a_word(struct server *server)
{
    enum { FALLS_SILENT, SPEAKS, LEAVES, COUNT };
    SOCKET peers[COUNT];
    double heard = 0;
    bool ended = false;
    connect_peers(server->port, peers, COUNT);
    for (int i = 0; i < 3 && !in_trouble(); i++) { /* at 0, 1.3 and 2.6 s */
        double spoken = now_ms();
        exchange(peers[SPEAKS], pattern, 10, 10);
        if (i == 0 && exchange(peers[LEAVES], pattern, 10, 10))
            shutdown(peers[LEAVES], SD_SEND);
        if (i == 1) {
            heard = now_ms();
            exchange(peers[FALLS_SILENT], pattern, 10, 10);
        }
        while (now_ms() - spoken < 1300 && !in_trouble()) {
            Sleep(20);
            if (has_ended(peers[SPEAKS]))
                trouble(FAILED, idle_hint,
                        "expected a client that sends every 1.3 s to stay connected, found the end "
                        "of its connection");
            else if (i == 0 && has_ended(peers[FALLS_SILENT]))
                trouble(FAILED, idle_hint,
                        "expected a new client to stay connected for 2 s, found that its "
                        "connection has already ended");
            if (i > 0 && !ended && !in_trouble()) {
                ended = has_ended(peers[FALLS_SILENT]);
                judge_end(ended, now_ms() - heard, "a client that falls silent");
            }
        }
    }
    if (!ended && !in_trouble())
        expect_idle_end(peers[FALLS_SILENT], heard, "a client that falls silent");
    if (!in_trouble()) {
        wait_for_text(&server->process.output, idle_words, patience_ms);
        int said = count_text(server, idle_words);
        if (said != 1)
            trouble(FAILED, "what is narrated when a silent client is disconnected?",
                    "expected one line with \"%s\", because one client was disconnected for being "
                    "silent, found %d",
                    idle_words, said);
    }
    end_peers(peers, COUNT);
}

/* A client that sends, and gets the same back, without a pause. */
struct busy {
    SOCKET peer;
    volatile LONG ends;
};

static DWORD WINAPI be_busy(void *parameter)
{
    struct busy *busy = parameter;
    while (!busy->ends && exchange(busy->peer, pattern, 100, 100))
        continue;
    return 0;
}

/* There is always something to do, so a wait hardly ever times out. The silent ones came one after
 * the other, so that a clock that counts whole seconds is noticed. */
static void idle_beside_busy(struct server *server)
{
    enum { SILENT = 3, APART_MS = 350 };
    struct busy busy = {connect_peer(server->port), 0};
    SOCKET silent[SILENT];
    double heard[SILENT];
    bool ended[SILENT] = {false};
    int count = 0, ends = 0;
    HANDLE thread = in_trouble() ? NULL : CreateThread(NULL, 0, be_busy, &busy, 0, NULL);
    if (thread == NULL && !in_trouble())
        fail((int)GetLastError(), "CreateThread");
    double begun = now_ms();
    while (!in_trouble() && ends < SILENT) {
        if (count < SILENT && now_ms() - begun >= count * APART_MS) {
            heard[count] = now_ms();
            silent[count++] = connect_peer(server->port);
        }
        for (int i = 0; i < count && !in_trouble(); i++) {
            if (ended[i])
                continue;
            ended[i] = wait_for_end(silent[i], 5) >= 0;
            ends += ended[i];
            judge_end(ended[i], now_ms() - heard[i], "a silent client next to a busy one");
        }
    }
    InterlockedExchange(&busy.ends, 1);
    if (thread != NULL) {
        WaitForSingleObject(thread, INFINITE); /* each of its waits is bounded */
        CloseHandle(thread);
    }
    end_peers(silent, count);
    close_peer(busy.peer);
}

/* They say a word at different times after they have come: each has 2 s from its word on. */
static void idle_speaks_later(struct server *server)
{
    enum { COUNT = 5, APART_MS = 330 };
    SOCKET peers[COUNT];
    double heard[COUNT];
    bool ended[COUNT] = {false};
    int ends = 0;
    double begun = now_ms();
    connect_peers(server->port, peers, COUNT);
    for (int i = 0; i < COUNT && !in_trouble(); i++) {
        while (now_ms() - begun < (i + 1) * APART_MS)
            Sleep(5);
        exchange(peers[i], pattern, 10, 10);
        heard[i] = now_ms();
    }
    while (!in_trouble() && ends < COUNT) {
        for (int i = 0; i < COUNT && !in_trouble(); i++) {
            if (ended[i])
                continue;
            ended[i] = wait_for_end(peers[i], 5) >= 0;
            ends += ended[i];
            judge_end(ended[i], now_ms() - heard[i], "a client that says a word and falls silent");
        }
    }
    end_peers(peers, COUNT);
}

/* ---- words at any time --------------------------------------------------------------------- */

/* A client that comes at some time, says some words, and falls silent, or leaves. */
struct speaker {
    SOCKET peer;
    double next;   /* when it does the next thing */
    double heard;  /* when it was last active */
    int words;     /* that it still says */
    size_t length; /* of each word */
    bool leaves;   /* after its words; otherwise its time runs out */
    bool has_ended;
};

/* It is time: it comes, says a word, or leaves. On a busy machine it may come to that so late that
 * its time runs out: then it lets it. */
static void go_on(struct server *server, struct speaker *speaker, unsigned *drawn)
{
    const double now = now_ms();

    if (speaker->peer == INVALID_SOCKET) {
        speaker->peer = connect_peer(server->port);
    } else if (now - speaker->heard > IDLE_EARLIEST_MS) {
        speaker->words = 0;
        speaker->leaves = false;
        return;
    } else if (speaker->words > 0) {
        speaker->words--;
        exchange(speaker->peer, pattern, speaker->length, speaker->length);
    } else {
        speaker->has_ended = true;
        closesocket(speaker->peer);
        speaker->peer = INVALID_SOCKET;
        return;
    }
    speaker->heard = now_ms();
    speaker->next = now + 100 + draw(drawn, 1500);
}

/* Many of them at the same time: whatever the others do, each is disconnected after 2 s of silence
 * and not before, and the narration has a line for each of them, and for no other. */
static void idle_at_any_time(struct server *server)
{
    enum { SPEAKERS = 30, MOST_WORDS = 4, COME_MS = 2000 };
    struct speaker speakers[SPEAKERS];
    unsigned drawn = 5;
    int left = SPEAKERS, silent = 0;

    for (int i = 0; i < SPEAKERS; i++)
        speakers[i] = (struct speaker){.peer = INVALID_SOCKET,
                                       .next = now_ms() + draw(&drawn, COME_MS),
                                       .words = (int)draw(&drawn, MOST_WORDS + 1),
                                       .length = 1 + draw(&drawn, i % 4 == 0 ? 100000 : 100),
                                       .leaves = draw(&drawn, 3) == 0};
    while (left > 0 && !in_trouble()) {
        for (int i = 0; i < SPEAKERS && !in_trouble(); i++) {
            struct speaker *speaker = &speakers[i];
            if (speaker->has_ended)
                continue;
            if (speaker->peer != INVALID_SOCKET) {
                speaker->has_ended = wait_for_end(speaker->peer, 1) >= 0;
                silent += speaker->has_ended;
                judge_end(speaker->has_ended, now_ms() - speaker->heard,
                          "one of 30 clients that speak at any time");
            }
            if (!speaker->has_ended && now_ms() >= speaker->next &&
                (speaker->words > 0 || speaker->leaves || speaker->peer == INVALID_SOCKET))
                go_on(server, speaker, &drawn);
            left -= speaker->has_ended;
        }
        Sleep(1);
    }
    for (double end = now_ms() + patience_ms; !in_trouble() && now_ms() < end; Sleep(20)) {
        if (count_text(server, idle_words) >= silent)
            break;
    }
    int said = count_text(server, idle_words);
    if (!in_trouble() && said != silent)
        trouble(FAILED, "what is narrated when a silent client is disconnected?",
                "expected %d lines with \"%s\", because that many clients were disconnected for "
                "being silent, and others left, found %d",
                silent, idle_words, said);
    for (int i = 0; i < SPEAKERS; i++)
        close_peer(speakers[i].peer);
}

/* Sends until nothing more is taken. Returns the bytes. A connection that the verifier makes slow
 * takes more after a while. */
static size_t fill(SOCKET peer)
{
    const DWORD more_ms = verified ? 1000 : 0;
    size_t sent = 0, more = 0;
    do {
        more = peer == INVALID_SOCKET ? 0 : send_until_refused(peer);
        sent += more;
    } while (more > 0 && sent < PATTERN_SIZE && wait_for_socket(peer, WRITABLE, more_ms) != 0);
    if (sent >= PATTERN_SIZE)
        trouble(FAILED, "does the server receive again before it has sent everything back?",
                "expected the server to stop receiving, found that it took %lu bytes",
                (unsigned long)sent);
    return sent;
}

/* They read nothing, so the sends to each of them are refused, and stay refused; one has also shut
 * down. Only a server that has disconnected them has dropped what it could not send. */
static void idle_does_not_read(struct server *server)
{
    enum { COUNT = 2 };
    SOCKET peers[COUNT];
    size_t sent[COUNT];
    connect_peers(server->port, peers, COUNT);
    for (int i = 0; i < COUNT && !in_trouble(); i++)
        sent[i] = fill(peers[i]);
    const double latest_ms = idle_latest_ms();
    if (!in_trouble()) {
        shutdown(peers[1], SD_SEND);
        Sleep((DWORD)latest_ms);
    }
    int said = count_text(server, idle_words); /* reading makes room, so they might still leave */
    for (int i = 0; i < COUNT && !in_trouble(); i++) {
        static char bytes[65536];
        size_t received = 0;
        while (received < sent[i] && wait_for_socket(peers[i], READABLE, 500) != 0) {
            int n = recv(peers[i], bytes, sizeof bytes, 0);
            if (n <= 0 && (n == 0 || WSAGetLastError() != WSAEWOULDBLOCK))
                break;
            received += n > 0 ? (size_t)n : 0;
        }
        if (received == sent[i])
            trouble(FAILED, "does a client that takes no bytes count as silent?",
                    "expected a client that %s to be disconnected after %.1f s, found it still "
                    "served after %.1f s: all %lu bytes came back",
                    i == 0 ? "does not read" : "has shut down and does not read",
                    IDLE_LIMIT_MS / 1000.0, latest_ms / 1000, (unsigned long)received);
    }
    if (!in_trouble() && said != COUNT)
        trouble(FAILED, "what is narrated when a silent client is disconnected?",
                "expected %d lines with \"%s\", because %d clients that do not read were "
                "disconnected for being silent, found %d",
                (int)COUNT, idle_words, (int)COUNT, said);
    end_peers(peers, COUNT);
}

/* What the server has open for a client that is silent. */
static unsigned handles_of_a_client(const struct server *server, unsigned without)
{
    struct measurement with = {0};
    SOCKET peer = connect_peer(server->port);
    give_time(100);
    bool measured = measure_server(server, &with);
    close_peer(peer);
    give_time(100);
    return measured && with.handles > without ? with.handles - without : 0;
}

/* The server has received all that they sent, and cannot send all of it back. Just before their
 * time has run out they shut down, which gives them no more time; before that another client comes,
 * whose time runs out later. What the server has open for a client shows whether that client is
 * still connected. */
static void idle_stuck(void)
{
    enum { COME_MS = 1700, SHUT_DOWN_MS = 1800, MEASURED_MS = 3500 };
    const struct service echo = {0};
    struct measurement before = {0}, after = {0};
    struct server server;
    SOCKET peers[STUCK_PEERS], other = INVALID_SOCKET;
    long long echoed = service_echoed_unread(&echo);
    if (in_trouble() || !start_server(&server, "--quiet"))
        return;
    converse(server.port, pattern, 1000, 1000); /* makes it open what it opens once */
    give_time(100);
    bool measured = measure_server(&server, &before);
    const unsigned most = before.handles + handles_of_a_client(&server, before.handles) + 1;
    if (service_connect_stuck(server.port, &echo, echoed, peers)) {
        Sleep(COME_MS);
        other = connect_peer(server.port);
        Sleep(SHUT_DOWN_MS - COME_MS);
        for (int i = 0; i < STUCK_PEERS; i++)
            shutdown(peers[i], SD_SEND);
        Sleep(MEASURED_MS - SHUT_DOWN_MS);
        if (!measured || !measure_server(&server, &after))
            cannot_measure(&server);
        else if (after.handles > most)
            trouble(FAILED, "does a client that has shut down and takes no bytes count as silent?",
                    "%d clients sent and did not read, shut down after %.1f s, and another one "
                    "came: expected the %d to be disconnected after %.1f s, and at most %u "
                    "handles, found %u after %.1f s",
                    STUCK_PEERS, SHUT_DOWN_MS / 1000.0, STUCK_PEERS, IDLE_LIMIT_MS / 1000.0, most,
                    after.handles, MEASURED_MS / 1000.0);
    }
    close_peer(other);
    end_peers(peers, STUCK_PEERS);
    stop_server(&server);
}

/* The least that the server does in one of a few short times; -1: it cannot be measured. */
static long long least_activity(const struct server *server)
{
    enum { TIMES = 3, EACH_MS = 400 };
    struct measurement before = {0}, after = {0};
    long long least = -1;

    bool measured = measure_server(server, &before);
    for (int i = 0; i < TIMES && measured; i++) {
        Sleep(EACH_MS);
        measured = measure_server(server, &after);
        long long activity = (long long)(after.activity - before.activity);
        least = i == 0 || activity < least ? activity : least;
        before = after;
    }
    return measured ? least : -1;
}

/* The same clients, which shut down immediately. Until their time has run out there is nothing to
 * do. That is less than 2 s, and on a busy machine the last bytes come late. Not each time is there
 * a client whose last bytes are just refused. */
static void idle_stuck_sleeps(void)
{
    enum { BUSY_MS = 200, ROUNDS = 3 };
    const long long most = running_under_wine() ? 50 : 10000000;
    const struct service echo = {0};
    long long echoed = service_echoed_unread(&echo);
    for (int round = 0; round < ROUNDS && !in_trouble(); round++) {
        struct server server;
        SOCKET peers[STUCK_PEERS];
        if (!start_server(&server, "--quiet"))
            return;
        bool good = service_connect_stuck(server.port, &echo, echoed, peers);
        for (int i = 0; i < STUCK_PEERS && good; i++)
            shutdown(peers[i], SD_SEND);
        Sleep(BUSY_MS);
        long long least = good ? least_activity(&server) : 0;
        if (least < 0)
            cannot_measure(&server);
        else if (least > most)
            trouble(FAILED, "an event that is never reset",
                    "%d clients had shut down and did not read: expected the server to sleep until "
                    "their time runs out, found at least %lld %s in each 0.4 s",
                    STUCK_PEERS, least, running_under_wine() ? "context switches" : "CPU cycles");
        end_peers(peers, STUCK_PEERS);
        stop_server(&server);
    }
}

/* Clients that leave on their own, in every way, long before their time has run out: silent, after
 * a word, and while what was sent to them is refused. None of them was disconnected for silence. */
static void idle_leaves(struct server *server)
{
    enum { WAYS = 8 };
    for (int i = 0; i < WAYS && !in_trouble(); i++) {
        SOCKET peer = connect_peer(server->port);
        if (peer == INVALID_SOCKET)
            return;
        if (i % 4 == 1 || i % 4 == 2)
            exchange(peer, pattern, 10, 10);
        if (i % 4 == 2)
            send(peer, (const char *)pattern, 10, 0); /* the echo is not read */
        if (i % 4 == 3)
            service_fill(peer, pattern, PATTERN_SIZE);
        if (i < WAYS / 2)
            reset_peer(peer);
        else
            closesocket(peer);
    }
    if (!in_trouble()) { /* when this one is served, the server has noticed that the others left */
        converse(server->port, pattern, 100, 100);
        give_time(300);
        int said = count_text(server, idle_words);
        if (said != 0)
            trouble(FAILED,
                    "on which path are these words printed: only when the time has run out?",
                    "expected no line with \"%s\", because %d clients left on their own, with a "
                    "reset or in order, found %d",
                    idle_words, (int)WAYS, said);
    }
}

/* ---- what counts: a send as well ----------------------------------------------------------- */

/* A client sends pieces, with a pause after each, and reads nothing. */
enum { PIECE = 65536, PAUSE_MS = 30 };

/* Clients that do the same. One of them reads in the end. Its twins never do, so what the server
 * could not send to both of them shows whether a send to the reader was pending as well. */
enum { TWIN_BEFORE, READER, TWIN_AFTER, ALIKE };
enum { KINDS = 3 }; /* of lengths */
struct late {
    SOCKET peers[ALIKE];
    size_t length; /* of what each of them sends */
    bool complete; /* the reader has got all of it in time */
    double ended;  /* when the reader's connection has ended; 0: not yet */
};

/* Sends a piece. Returns false if not all of it was taken for a while. */
static bool send_piece(SOCKET peer, size_t at)
{
    size_t sent = 0;
    while (sent < PIECE && wait_for_socket(peer, WRITABLE, 300) != 0) {
        int n = send(peer, (const char *)pattern + at + sent, (int)(PIECE - sent), 0);
        if (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
            break;
        sent += n > 0 ? (size_t)n : 0;
    }
    return sent == PIECE;
}

/* Reads this many bytes, or until the end, or until nothing comes for that long. Returns how
 * many; most after a reset, because then bytes that were sent may be lost. */
static size_t read_most(SOCKET peer, size_t most, DWORD milliseconds)
{
    static char bytes[65536];
    size_t received = 0;
    while (received < most && wait_for_socket(peer, READABLE, milliseconds) != 0) {
        size_t left = most - received < sizeof bytes ? most - received : sizeof bytes;
        int n = recv(peer, bytes, (int)left, 0);
        if (n == 0)
            break;
        if (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
            return most;
        received += n > 0 ? (size_t)n : 0;
    }
    return received;
}

/* With a smaller buffer than usual, so that the sends to it are refused sooner. */
static SOCKET connect_small(int port)
{
    int size = 65536;
    SOCKET peer = in_trouble() ? INVALID_SOCKET : connect_peer(port);
    if (peer != INVALID_SOCKET)
        setsockopt(peer, SOL_SOCKET, SO_RCVBUF, (const char *)&size, sizeof size);
    return peer;
}

/* How many bytes the server can send to a client that reads nothing: its summary shows that. -1
 * after noting trouble. */
static long long bytes_without_reading(void)
{
    struct server server;
    struct summary summary = {0, -1, 0};
    size_t sent = 0;
    if (!start_server(&server, "--quiet"))
        return -1;
    SOCKET peer = connect_small(server.port);
    while (peer != INVALID_SOCKET && sent + PIECE <= PATTERN_SIZE && send_piece(peer, sent)) {
        sent += PIECE;
        Sleep(PAUSE_MS);
    }
    if (stop_and_keep(&server))
        find_summary(&server.process, &summary);
    end_program(&server.process, "after Ctrl+C");
    close_peer(peer);
    return in_trouble() ? -1 : summary.bytes;
}

/* Starts a server, and connects clients of each kind. How much must be sent until a send to a
 * client is pending is not known exactly, so some send a piece more. False: there is no server. */
static bool connect_late(struct server *server, struct late *late)
{
    long long most = bytes_without_reading();
    if (most + KINDS * PIECE > PATTERN_SIZE)
        trouble(SKIPPED, "", "the server could send %lld bytes to a client that does not read",
                most);
    if (in_trouble() || !start_server(server, "--quiet"))
        return false;
    for (int i = 0; i < KINDS; i++) {
        late[i] = (struct late){.length = ((size_t)most / PIECE + (size_t)i) * PIECE};
        for (int j = 0; j < ALIKE; j++)
            late[i].peers[j] = connect_small(server->port);
    }
    return true;
}

/* They send everything, and the last piece of each comes in the last round. Returns false if the
 * server did not take all of it, so that nothing can be concluded. */
static bool send_late(const struct late *late, int count, size_t longest)
{
    bool taken = true;
    for (size_t at = 0; at < longest && taken && !in_trouble(); at += PIECE) {
        for (int i = 0; i < count && taken; i++) {
            size_t later = longest - late[i].length;
            for (int j = 0; j < ALIKE && at >= later && taken; j++)
                taken = send_piece(late[i].peers[j], at - later);
        }
        Sleep(PAUSE_MS);
    }
    return taken && !in_trouble();
}

/* The readers read everything now, long after the last piece has been sent at begun. Watches which
 * of their connections end too early, and returns when that can be said of all. */
static void read_late(struct late *late, int count, double begun)
{
    double reads = now_ms();
    for (int i = 0; i < count; i++) {
        size_t received = read_most(late[i].peers[READER], late[i].length, 200);
        late[i].complete = received == late[i].length && now_ms() - begun < IDLE_EARLIEST_MS;
    }
    while (now_ms() - reads < IDLE_EARLIEST_MS) {
        for (int i = 0; i < count; i++) {
            if (late[i].ended == 0 && has_ended(late[i].peers[READER]))
                late[i].ended = now_ms();
        }
        Sleep(20);
    }
    for (int i = 0; i < count && !in_trouble(); i++) {
        bool pending =
            late[i].complete && late[i].ended != 0 && late[i].ended - reads < IDLE_EARLIEST_MS;
        for (int j = 0; j < ALIKE && pending; j++) { /* the server has disconnected the twins */
            size_t lost = j == READER
                              ? PIECE
                              : late[i].length - read_most(late[i].peers[j], late[i].length, 1000);
            pending = lost > 8192 && lost <= 2 * PIECE; /* a reset has lost much more */
        }
        if (pending)
            trouble(FAILED, idle_hint,
                    "a client sent %lu bytes and read nothing, so a send to it was pending; %.1f s "
                    "later it read all of them: expected the end of the connection %.1f s after "
                    "that, because the send has completed, found it after %.1f s",
                    (unsigned long)late[i].length, (reads - begun) / 1000, IDLE_LIMIT_MS / 1000.0,
                    (late[i].ended - reads) / 1000);
    }
}

/* The server has received all that a client sent, and a send to the client is pending: it completes
 * when the client reads, and no receive does. From then on the client has its whole time again. */
static void idle_send_counts(void)
{
    enum { READS_AT_MS = 1200 };
    struct late late[KINDS];
    struct server server;
    bool certain = false;
    if (!connect_late(&server, late))
        return;
    if (!in_trouble() && send_late(late, KINDS, late[KINDS - 1].length)) {
        double begun = now_ms();
        Sleep(READS_AT_MS);
        read_late(late, KINDS, begun);
        for (int i = 0; i < KINDS; i++)
            certain = certain || late[i].complete;
    }
    if (!certain && !in_trouble())
        trouble(SKIPPED, "", "this machine is too busy to tell");
    for (int i = 0; i < KINDS; i++)
        end_peers(late[i].peers, ALIKE);
    stop_server(&server);
}

/* Each of many clients sends when its time runs out, a little earlier or later: what the server
 * finds then is different for each of them, but it goes on. */
static void idle_at_the_limit(struct server *server)
{
    enum { COUNT = 60, ROUNDS = 2 };
    static SOCKET peers[COUNT];
    double connected[COUNT];
    for (int round = 0; round < ROUNDS && !in_trouble(); round++) {
        for (int i = 0; i < COUNT; i++) {
            peers[i] = in_trouble() ? INVALID_SOCKET : connect_peer(server->port);
            connected[i] = now_ms();
        }
        Sleep(IDLE_LIMIT_MS - 200);
        for (int i = 0; i < COUNT; i++) {
            while (now_ms() < connected[i] + IDLE_LIMIT_MS + i % 9 * 0.25 - 1)
                continue;
            send(peers[i], (const char *)pattern, 10, 0);
        }
        Sleep(100);
        end_peers(peers, COUNT);
        if (!in_trouble())
            converse(server->port, pattern, 1000, 1000);
    }
}

/* As many silent clients as one wait has places for, and more that send something. Those may have
 * to wait until the silent ones are disconnected. Afterwards none of them costs anything. */
static void idle_places(struct server *server)
{
    enum { SILENT = 62, COUNT = SILENT + 10 };
    static SOCKET peers[COUNT];
    struct measurement before = {0};
    /* First as many as later, so that the server has what it keeps for that many. */
    talk_all(server->port, peers, SILENT - 2);
    connect_peers(server->port, peers + SILENT - 2, COUNT - SILENT + 2);
    give_time(200);
    end_peers(peers, COUNT);
    bool measured = measure_at_rest(server, &before);
    double begun = now_ms();
    connect_peers(server->port, peers, COUNT);
    for (int i = SILENT; i < COUNT && !in_trouble(); i++)
        send_all(peers[i], pattern + i, 100);
    for (int i = SILENT; i < COUNT && !in_trouble(); i++) {
        double left = begun + idle_latest_ms() - now_ms();
        if (wait_for_socket(peers[i], READABLE, left > 1 ? (DWORD)left : 1) == 0)
            trouble(TIMED_OUT,
                    "is closesocket called for a silent client, and what makes the server accept "
                    "again?",
                    "expected the places of %d silent clients to be free after %.1f s, found that "
                    "client %d is not served",
                    SILENT, IDLE_LIMIT_MS / 1000.0, i + 1);
        else
            receive_exactly(peers[i], pattern + i, 100);
    }
    for (int i = 0; i < SILENT && !in_trouble(); i++) {
        if (wait_for_end(peers[i], (int)idle_latest_ms()) < 0)
            trouble(TIMED_OUT, idle_hint,
                    "expected all %d silent clients to be disconnected, found client %d still "
                    "connected",
                    SILENT, i + 1);
    }
    /* The clients have not closed their sides: a server need not wait for that. */
    expect_no_growth(server, measured ? &before : NULL, 2 * 1024 * 1024,
                     "what is closed and freed in close_client?",
                     "after many clients that were disconnected because of their silence");
    end_peers(peers, COUNT);
}

/* As many silent clients as the server has places for, and none that waits: when their time has run
 * out, all of them leave, and the next one is served. */
static void idle_full(struct server *server)
{
    enum { COUNT = 72, LENGTH = 100, SERVED_MS = 700 };
    static SOCKET peers[COUNT];
    int places = 0;
    connect_peers(server->port, peers, COUNT);
    for (int i = 0; i < COUNT && !in_trouble(); i++)
        send_all(peers[i], pattern, LENGTH);
    Sleep(SERVED_MS);
    for (int i = 0; i < COUNT && !in_trouble(); i++)
        places += wait_for_socket(peers[i], READABLE, 0) != 0;
    end_peers(peers, COUNT);
    if (places == COUNT) /* there is no limit */
        return;
    connect_peers(server->port, peers, places);
    for (int i = 0; i < places && !in_trouble(); i++)
        exchange(peers[i], pattern, LENGTH, LENGTH);
    for (int i = 0; i < places && !in_trouble(); i++) {
        if (wait_for_end(peers[i], (int)idle_latest_ms()) < 0)
            trouble(TIMED_OUT, idle_hint,
                    "expected all %d silent clients to be disconnected, found client %d still "
                    "connected",
                    places, i + 1);
    }
    SOCKET next = in_trouble() ? INVALID_SOCKET : connect_peer(server->port);
    if (next != INVALID_SOCKET && send_all(next, pattern, LENGTH) &&
        wait_for_socket(next, READABLE, (DWORD)patience_ms) == 0)
        trouble(TIMED_OUT, "what makes a full server accept again when no client waits?",
                "as many silent clients came as there are places, %d, and were disconnected: "
                "expected the next client to be served, found that it is not",
                places);
    close_peer(next);
    end_peers(peers, places);
}

/* It does not even look every 2 s. */
static void idle_server_sleeps(struct server *server)
{
    enum { WATCHED_MS = 9000 };
    converse(server->port, pattern, 100, 100); /* the only client has come and gone */
    if (!in_trouble())
        expect_sleep(server, WATCHED_MS);
}

/* The client's time has not run out yet, so there is nothing to do. On a busy machine it may run
 * out before the second measurement: then try once more. */
static void idle_client_sleeps(struct server *server)
{
    enum { ATTEMPTS = 5, WATCHED_MS = 800 };
    const unsigned long long most = running_under_wine() ? 3 : 300000;
    struct measurement before = {0}, after = {0};
    bool done = false;

    for (int i = 0; i < ATTEMPTS && !done && !in_trouble(); i++) {
        double spoken = now_ms();
        SOCKET peer = connect_peer(server->port);
        if (peer == INVALID_SOCKET || !exchange(peer, pattern, 100, 100)) {
            end_peers(&peer, 1);
            return;
        }
        Sleep(300); /* the server may still be busy with the last bytes */
        bool measured = measure_server(server, &before);
        Sleep(WATCHED_MS);
        measured = measured && measure_server(server, &after);
        done = now_ms() - spoken < IDLE_EARLIEST_MS;
        if (!measured)
            cannot_measure(server);
        else if (done && after.activity - before.activity > most)
            trouble(FAILED, "how long may the wait last before a client's time runs out?",
                    "expected a server with one silent client to sleep, found %llu %s in %.1f s",
                    after.activity - before.activity,
                    running_under_wine() ? "context switches" : "CPU cycles", WATCHED_MS / 1000.0);
        end_peers(&peer, 1);
    }
    if (!done && !in_trouble())
        trouble(SKIPPED, "", "this machine is too busy to tell");
}

/* The server disconnects one of them, which counts as well. */
static void idle_summary(struct server *server)
{
    SOCKET peers[2];
    connect_peers(server->port, peers, 2);
    for (int i = 0; i < 2 && !in_trouble(); i++)
        exchange(peers[i], pattern, 100000, 65536);
    double heard = now_ms();
    shutdown(peers[0], SD_SEND);
    expect_idle_end(peers[1], heard, "a client that falls silent");
    stop_and_count(server, 2, 200000);
    end_peers(peers, 2);
}

static void idle_no_socket_left(void)
{
    service_no_socket_left(&(struct service){0});
}

const struct check idle_checks[] = {
    {.name = "a client that never sends is disconnected after 2 s, and the narration says so",
     .talk = idle_from_the_start,
     .options = ""},
    {.name = "a client that falls silent is disconnected, one that sends now and then stays",
     .talk = idle_after_a_word,
     .options = ""},
    {.name = "the time begins again with a word, whenever it is said",
     .talk = idle_speaks_later,
     .options = "--quiet"},
    {.name = "30 clients come, speak, fall silent and leave at any time",
     .talk = idle_at_any_time,
     .options = ""},
    {.name = "a silent client is disconnected although another is busy",
     .talk = idle_beside_busy,
     .options = "--quiet"},
    {.name = "a client that does not read is also disconnected",
     .talk = idle_does_not_read,
     .options = ""},
    {.name = "a client that reads late gets its 2 s again when the send to it completes",
     .run = idle_send_counts,
     .plain_only = true},
    {.name = "a client that has shut down and takes no bytes is disconnected as well",
     .run = idle_stuck,
     .plain_only = true},
    {.name = "a client that has shut down and takes no bytes costs no CPU until then",
     .run = idle_stuck_sleeps,
     .plain_only = true},
    {.name = "60 clients send when their time runs out, and the server goes on",
     .talk = idle_at_the_limit,
     .options = "--quiet"},
    {.name = "clients that leave on their own, also with a reset, are not narrated as idle",
     .talk = idle_leaves,
     .options = ""},
    {.name = "62 silent clients give back their places, and leak nothing",
     .talk = idle_places,
     .options = "--quiet"},
    {.name = "when all places are free again, the next client is served",
     .talk = idle_full,
     .options = "--quiet"},
    {.name = "no socket left: a client waits, and is served when another one has left",
     .run = idle_no_socket_left},
    {.name = "without clients the server sleeps", .talk = idle_server_sleeps, .options = "--quiet"},
    {.name = "the server sleeps while nothing happens and no time has run out",
     .talk = idle_client_sleeps,
     .options = "--quiet"},
    {.name = "the summary has counted silent clients as well",
     .talk = idle_summary,
     .options = "--quiet"},
    {.name = "many receives leak nothing", .talk = receives_leak_nothing, .options = "--quiet"},
    {.name = "300 clients leak nothing", .run = echo_leaks_nothing},
    {0},
};

static void idle_counts_sent(void)
{
    service_counts_sent(&(struct service){.counts_parts = true});
}

static const struct check own_checks[] = {
    {.name = "Ctrl+C: the summary counts what was sent, and nothing more", .run = idle_counts_sent},
    {0},
};

const struct exercise IDLE = {
    .name = "IDLE",
    .options = "",
    .checks = idle_checks,
    .more = own_checks,
    .reused = {"half-close", "bytes and end together", "50 resets", "400 immediate resets",
               "12 resets", "mixed storm", "do not starve a quiet one", "Ctrl+C with",
               "wrong arguments"},
};
