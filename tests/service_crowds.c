/* service_crowds.c - promises to many clients at the same time. See service_checks.h. */
#include "service_checks.h"
#include "scripted_server.h"

/* ---- fairness ------------------------------------------------------------------------------ */

enum { MOST_BUSY = 40 };

/* A client that sends without a pause, so that the server always has something to do for it. */
struct flood {
    const struct service *service;
    SOCKET peer;
    double end;         /* when it ends, unless the server ends the connection before */
    long long received; /* bytes that have come back */
    double pause;       /* the longest time without any, in milliseconds */
};

/* Sends as much as the server takes, the same bytes again and again, and reads what comes back. */
static DWORD WINAPI send_flood(void *parameter)
{
    enum { PIECE = 65536 };
    struct flood *flood = parameter;
    const char *bytes = (const char *)service_bytes(flood->service);
    const size_t unit = flood->service->unit > 1 ? flood->service->unit : 1;
    const size_t cycle = SERVICE_SIZE - SERVICE_SIZE % unit;
    size_t sent = 0;
    double heard = now_ms();

    while (now_ms() < flood->end && !in_trouble()) {
        char found[PIECE];
        size_t left = cycle - sent;
        int n = send(flood->peer, bytes + sent, left < PIECE ? (int)left : PIECE, 0);
        if (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
            break;
        bool waits = n == SOCKET_ERROR;
        sent = n > 0 ? (sent + (size_t)n) % cycle : sent;
        size_t at = (size_t)(flood->received % (long long)cycle);
        left = cycle - at;
        n = recv(flood->peer, found, left < PIECE ? (int)left : PIECE, 0);
        if (n == 0 || (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK))
            break;
        if (n > 0 && memcmp(found, bytes + at, (size_t)n) != 0)
            trouble(FAILED, "what is in the buffer when it is sent?",
                    "several clients sent without a pause: expected the bytes of one of them, "
                    "found others in the %d bytes after the first %lld",
                    n, flood->received);
        double now = now_ms();
        flood->pause = now - heard > flood->pause ? now - heard : flood->pause;
        heard = n > 0 ? now : heard;
        flood->received += n > 0 ? n : 0;
        if (waits && n == SOCKET_ERROR)
            wait_for_socket(flood->peer, READABLE, 20);
    }
    return 0;
}

/* A client that sends a little, waits until it has come back, and sends again, until the server
 * ends the connection. */
static DWORD WINAPI play_ping_pong(void *parameter)
{
    struct flood *game = parameter;
    const char *bytes = (const char *)service_bytes(game->service);
    const int length = (int)service_units(game->service, FIRST_LENGTH);
    int sent = 0, back = 0; /* of this turn */

    while (now_ms() < game->end && !in_trouble()) {
        char found[4096];
        int n = sent < length ? send(game->peer, bytes + sent, length - sent, 0) : 0;
        if (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
            break;
        sent += n > 0 ? n : 0;
        wait_for_socket(game->peer, READABLE, 20);
        n = recv(game->peer, found, length - back, 0);
        if (n == 0 || (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK))
            break;
        back += n > 0 ? n : 0;
        game->received += n > 0 ? n : 0;
        if (back == length)
            sent = back = 0;
    }
    return 0;
}

/* Each of them runs in a thread; wait_for_floods waits for their ends, and returns what has come
 * back. */
static void begin_threads(LPTHREAD_START_ROUTINE run, struct flood *floods, HANDLE *threads,
                          int count)
{
    for (int i = 0; i < count; i++) {
        threads[i] = CreateThread(NULL, 0, run, &floods[i], 0, NULL);
        if (threads[i] == NULL)
            fail((int)GetLastError(), "CreateThread");
    }
}

static long long wait_for_floods(const struct flood *floods, HANDLE *threads, int count)
{
    long long received = 0;

    for (int i = 0; i < count; i++) {
        WaitForSingleObject(threads[i], INFINITE); /* each wait in it is bounded */
        CloseHandle(threads[i]);
        received += floods[i].received;
    }
    return received;
}

/* What a quiet client sees that comes when others are busy, and sends little. */
struct quiet {
    double longest;    /* how many milliseconds it waits for an answer, or to be accepted */
    long long answers; /* how many it gets */
    long long others;  /* bytes that have come back to all the others */
};

static struct quiet watch_quiet(int port, const struct service *service, LPTHREAD_START_ROUTINE run,
                                int count, double ms)
{
    struct flood busy[MOST_BUSY];
    HANDLE threads[MOST_BUSY];
    const size_t length = service_units(service, FIRST_LENGTH);
    const double end = now_ms() + ms;
    struct quiet seen = {0, 0, 0};

    for (int i = 0; i < count; i++)
        busy[i] = (struct flood){service, service_connect(port, service), end, 0, 0};
    begin_threads(run, busy, threads, count);
    Sleep(300);
    double begun = now_ms();
    SOCKET quiet = service_connect(port, service);
    while (quiet != INVALID_SOCKET && now_ms() < end - 300) {
        if (!exchange(quiet, service_bytes(service), length, length))
            break;
        seen.longest = now_ms() - begun > seen.longest ? now_ms() - begun : seen.longest;
        seen.answers++;
        Sleep(5);
        begun = now_ms();
    }
    seen.others = wait_for_floods(busy, threads, count);
    for (int i = 0; i < count; i++)
        close_peer(busy[i].peer);
    close_peer(quiet);
    return seen;
}

/* How many milliseconds one of that many busy clients waits at most for the next bytes, if it has
 * got much less than the others. */
static double longest_pause(int port, const struct service *service, int count, double ms)
{
    enum { MUCH_LESS = 4 };
    struct flood busy[MOST_BUSY];
    HANDLE threads[MOST_BUSY];
    const double end = now_ms() + ms;
    double longest = 0;

    for (int i = 0; i < count; i++)
        busy[i] = (struct flood){service, service_connect(port, service), end, 0, 0};
    begin_threads(send_flood, busy, threads, count);
    long long received = wait_for_floods(busy, threads, count);
    for (int i = 0; i < count; i++) {
        if (busy[i].received * MUCH_LESS * count < received && busy[i].pause > longest)
            longest = busy[i].pause;
        close_peer(busy[i].peer);
    }
    return longest;
}

/* The first try takes as long as on a quiet machine, the others as long as the pace says: mostly
 * the first one is enough, also on a busy machine. */
static double pace_of_try(int number, double pace)
{
    return number == 0 ? 1 : pace;
}

/* A few, so that each of them always has a place beside the same other ones. */
static void few_are_fair(struct server *server, const struct service *service, double pace)
{
    enum { LEAST = 3, MOST = 5, TRIES = 3 };

    for (int count = LEAST; count <= MOST && !in_trouble(); count++) {
        double busy_ms = 0, longest = 1;
        for (int i = 0; i < TRIES && longest > busy_ms / 2 && !in_trouble(); i++) {
            busy_ms = 600 * pace_of_try(i, pace);
            longest = longest_pause(server->port, service, count, busy_ms);
        }
        if (longest > busy_ms / 2)
            trouble(FAILED, "in which order are those served that always have something to do?",
                    "%d clients sent without a pause for %.1f s: expected each one to get bytes "
                    "within %.1f s, found that one waited for %.1f s, %d times",
                    count, busy_ms / 1000, busy_ms / 2000, longest / 1000, TRIES);
    }
}

/* Of some answers, or of the visits of a new client each: how many come within the limit? An echo
 * inside the checks is asked in turn with the server, and tells whether the machine is to blame. */
struct promptness {
    int tries, prompt, of_echo;
};
enum { PROMPT_LEAST = 3 };

/* How long an answer takes, in milliseconds; without a peer, the visit of a new client. */
static double time_answer(SOCKET peer, int port, const struct service *service)
{
    const size_t length = service_units(service, FIRST_LENGTH);
    const double begun = now_ms();

    if (peer == INVALID_SOCKET)
        service_visit(port, service, length, length);
    else
        exchange(peer, service_bytes(service), length, length);
    return now_ms() - begun;
}

static struct promptness measure_promptness(int port, const struct service *service, bool visits,
                                            double most_ms)
{
    enum { TRIES = 200, TRIES_MS = 1500, TRIES_LEAST = 10 };
    static const struct service plain_echo = {0};
    const double end = now_ms() + TRIES_MS;
    struct script_server echo;
    struct promptness found = {0, 0, 0};

    start_script(&echo, ECHO_MANY);
    SOCKET peer = visits ? INVALID_SOCKET : service_connect(port, service);
    SOCKET other = visits ? INVALID_SOCKET : connect_peer(echo.port);
    while (found.tries < TRIES && (found.tries < TRIES_LEAST || now_ms() < end) &&
           found.prompt < PROMPT_LEAST && !in_trouble()) {
        found.tries++;
        found.prompt += time_answer(peer, port, service) < most_ms;
        found.of_echo += time_answer(other, echo.port, &plain_echo) < most_ms;
    }
    close_peer(peer);
    close_peer(other);
    stop_script(&echo);
    return found;
}

/* A busy machine delays most answers, and then those of the echo as well: nothing is known of the
 * server. Then once more. */
static bool is_late(int port, const struct service *service, bool visits, double most_ms,
                    struct promptness *found)
{
    enum { ATTEMPTS = 2 };

    for (int i = 0; i < ATTEMPTS; i++) {
        *found = measure_promptness(port, service, visits, most_ms);
        if (found->prompt >= PROMPT_LEAST || in_trouble())
            return false;
        if (10 * found->of_echo >= 9 * found->tries)
            return true;
    }
    return false;
}

void service_answers_soon(struct server *server, const struct service *service)
{
    enum { MOST_MS = 5, MOST_VISIT_MS = 10 };
    static const char hint[] =
        "what waits until a time has passed, and not until something happens?";
    struct promptness found;

    if (verified) /* it delays all */
        return;
    if (is_late(server->port, service, false, MOST_MS, &found))
        trouble(FAILED, hint, "expected an answer within %d ms at least %d times in %d, found %d",
                MOST_MS, PROMPT_LEAST, found.tries, found.prompt);
    else if (is_late(server->port, service, true, MOST_VISIT_MS, &found))
        trouble(FAILED, hint,
                "expected a client to connect, be answered and get the end within %d ms at least "
                "%d times in %d, found %d",
                MOST_VISIT_MS, PROMPT_LEAST, found.tries, found.prompt);
}

/* On a busy machine a fair server may be late as well, but not each time. */
static void expect_soon_beside_floods(struct server *server, const struct service *service,
                                      double pace)
{
    enum { COUNT = 12, TRIES = 3 };
    double most_ms = 0, longest = 1;

    for (int i = 0; i < TRIES && longest > most_ms && !in_trouble(); i++) {
        const double times = pace_of_try(i, pace);
        most_ms = 1000 * times;
        longest = watch_quiet(server->port, service, send_flood, COUNT, 1900 * times).longest;
    }
    if (longest > most_ms)
        trouble(FAILED, "which of several signalled events is served first, again and again?",
                "expected a quiet client to be answered within %.1f s while %d others are busy, "
                "found %.1f s, the last of %d times",
                most_ms / 1000, COUNT, longest / 1000, TRIES);
}

/* More of them than a server can answer before the first of them sends again. On a busy machine
 * all of them wait long, but about as long as the quiet one; and few answers tell nothing. */
static void expect_its_share(struct server *server, const struct service *service, double pace)
{
    enum { COUNT = 40, TRIES = 3, MUCH_LESS = 20, FEW = 20 };
    const long long all = COUNT * (long long)service_units(service, FIRST_LENGTH);
    struct quiet seen = {0, 0, 0};
    bool has_share = false;

    for (int i = 0; i < TRIES && !has_share && !in_trouble(); i++) {
        seen =
            watch_quiet(server->port, service, play_ping_pong, COUNT, 1400 * pace_of_try(i, pace));
        has_share = seen.answers * MUCH_LESS * all >= seen.others || seen.others < FEW * all;
    }
    if (!has_share)
        trouble(FAILED, "which of several completions is served first, again and again?",
                "each of %d clients sent again after each answer, and got %lld answers: expected "
                "a client that came later to get at least a twentieth of that, found %lld",
                COUNT, seen.others / all, seen.answers);
}

void service_is_fair(struct server *server, const struct service *service)
{
    service_bytes(service);              /* made once, before there are threads */
    const double pace = at_this_pace(1); /* before we slow the machine ourselves */
    service_answers_soon(server, service);
    expect_soon_beside_floods(server, service, pace);
    expect_its_share(server, service, pace);
    if (!verified) /* there some connections are slow */
        few_are_fair(server, service, pace);
}

/* ---- places -------------------------------------------------------------------------------- */

enum { LATECOMERS = 30, LEAVERS = 140 };

void service_places(struct server *server, const struct service *service)
{
    static SOCKET peers[PLACES + LATECOMERS];
    const unsigned char *bytes = service_bytes(service);
    const size_t whole = service_units(service, FIRST_LENGTH);

    for (int i = 0; i < LEAVERS && !in_trouble(); i++)
        service_leave(server->port, service, i);
    give_time(200);
    for (int i = 0; i < PLACES + LATECOMERS; i++)
        peers[i] = in_trouble() ? INVALID_SOCKET : connect_peer(server->port);
    for (int i = 0; i < PLACES + LATECOMERS && !in_trouble(); i++)
        send_all(peers[i], bytes, whole);
    for (int i = 0; i < PLACES + LATECOMERS && !in_trouble(); i++) {
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
            service_receive_end(peers[i], service, whole);
        }
    }
    end_peers(peers, PLACES + LATECOMERS);
}

static void close_and_forget(SOCKET *peer)
{
    closesocket(*peer);
    *peer = INVALID_SOCKET;
}

static void reset_and_forget(SOCKET *peer)
{
    reset_peer(*peer);
    *peer = INVALID_SOCKET;
}

static bool leave_with_reset(SOCKET *peer, const struct service *service)
{
    (void)service;
    reset_and_forget(peer);
    return true;
}

static bool leave_in_order(SOCKET *peer, const struct service *service)
{
    shutdown(*peer, SD_SEND); /* it is not closed: the place is free even so */
    return service_receive_end(*peer, service, service_units(service, FIRST_LENGTH));
}

static bool leave_with_bytes_and_reset(SOCKET *peer, const struct service *service)
{
    send(*peer, (const char *)service_bytes(service), SOME_BYTES, 0);
    reset_and_forget(peer);
    return true;
}

static bool leave_without_reading(SOCKET *peer, const struct service *service)
{
    send(*peer, (const char *)service_bytes(service), SOME_BYTES, 0);
    close_and_forget(peer);
    return true;
}

static bool leave_while_refused(SOCKET *peer, const struct service *service)
{
    service_fill(*peer, service_bytes(service), SERVICE_SIZE);
    reset_and_forget(peer);
    return true;
}

static const struct leaving any_way[] = {
    {"reset its connection", leave_with_reset},
    {"shut down and received the end", leave_in_order},
    {"sent something and reset its connection", leave_with_bytes_and_reset},
    {"sent something and closed without reading", leave_without_reading},
    {"sent without reading, and reset its connection", leave_while_refused},
    {0},
};

enum { MOST_FULL_PEERS = 300 };

/* Clients of a server that may have places for some of them only. */
struct crowd {
    SOCKET peers[MOST_FULL_PEERS];
    bool served[MOST_FULL_PEERS];
    int count, served_count;
};

/* Receives the first answer of each one that is served now. Returns how many that are. */
static int receive_answers(struct crowd *crowd, const struct service *service)
{
    int more = 0;

    for (int i = 0; i < crowd->count && !in_trouble(); i++) {
        SOCKET peer = crowd->peers[i];
        if (crowd->served[i] || wait_for_socket(peer, READABLE, 0) == 0)
            continue;
        if (service->opens == NULL || service->opens(peer))
            receive_exactly(peer, service_bytes(service), service_units(service, FIRST_LENGTH));
        crowd->served[i] = true;
        more++;
    }
    crowd->served_count += more;
    return more;
}

/* All of them come, until the server has no more places. */
static void fill_places(struct server *server, struct crowd *crowd, const struct service *service,
                        int least)
{
    enum { QUIET_MS = 400 };

    connect_peers(server->port, crowd->peers, crowd->count);
    for (int i = 0; i < crowd->count && !in_trouble(); i++)
        send_all(crowd->peers[i], service_bytes(service), service_units(service, FIRST_LENGTH));
    double last = now_ms();
    while (crowd->served_count < crowd->count && !in_trouble() &&
           now_ms() - last < (crowd->served_count < least ? patience_ms : at_this_pace(QUIET_MS))) {
        if (receive_answers(crowd, service) > 0)
            last = now_ms();
        Sleep(10);
    }
    if (crowd->served_count < least && !in_trouble())
        trouble(TIMED_OUT, "is there a place for each of them?",
                "%d clients came at the same time, but only %d of them were served", crowd->count,
                crowd->served_count);
}

/* As many come as there are places, and none waits. When all of them have left, the first ones in
 * each of the ways, the next one must be served. */
static void empty_places(struct server *server, struct crowd *crowd, const struct service *service,
                         const struct leaving *leaving, int places)
{
    *crowd = (struct crowd){.count = places};
    fill_places(server, crowd, service, places);
    for (int i = 0; i < places && !in_trouble(); i++) {
        if (leaving->how != NULL)
            (leaving++)->leave(&crowd->peers[i], service);
        else if (i % 2 == 0)
            reset_and_forget(&crowd->peers[i]);
        else
            close_and_forget(&crowd->peers[i]);
    }
    give_time(100); /* when the last one has left, none waits */
    if (!in_trouble() && service_visit(server->port, service, FIRST_LENGTH, FIRST_LENGTH) == 0)
        trouble(TIMED_OUT, "what makes a full server accept again when no client waits?",
                "as many clients came as there are places, %d, and left: expected the next one to "
                "be served, found that it is not",
                places);
    end_peers(crowd->peers, places);
}

/* Every second one of those that wait resets its connection before it is served. */
static void leave_while_waiting(struct crowd *crowd)
{
    for (int i = 0; i < crowd->count && !in_trouble(); i += 2) {
        if (crowd->served[i])
            continue;
        reset_and_forget(&crowd->peers[i]);
        crowd->served[i] = true;
        crowd->served_count++;
    }
}

bool service_full(struct server *server, const struct service *service,
                  const struct leaving *leavings, int least)
{
    static struct crowd crowd;
    const struct leaving *first = leavings != NULL ? leavings : any_way, *leaving = first;

    crowd = (struct crowd){.count = least + least / 2};
    fill_places(server, &crowd, service, least);
    bool full = crowd.served_count < crowd.count;
    const int places = crowd.served_count;
    leave_while_waiting(&crowd);
    for (int i = 0; crowd.served_count < crowd.count && !in_trouble(); i++) {
        if (!leaving->leave(&crowd.peers[i], service))
            break;
        int more = 0;
        for (double end = now_ms() + patience_ms; more == 0 && now_ms() < end && !in_trouble();) {
            more = receive_answers(&crowd, service);
            Sleep(5);
        }
        if (more == 0)
            trouble(TIMED_OUT, "what makes a full server accept again, whatever ends a client?",
                    "the server was full, and %d clients waited; one of the others %s, but none of "
                    "those that waited was served",
                    crowd.count - crowd.served_count, leaving->how);
        leaving = leaving[1].how != NULL ? leaving + 1 : first;
    }
    end_peers(crowd.peers, crowd.count);
    if (full && !in_trouble())
        empty_places(server, &crowd, service, first, places);
    return full;
}

/* The verifier lets one accept in three fail, first the second, third or fourth. */
void service_no_socket_left(const struct service *service)
{
    enum { MOST = 4, ANSWER_MS = 1000 };
    const size_t length = service_units(service, FIRST_LENGTH);
    SOCKET peers[MOST];
    struct server server;
    int count = 0;
    bool waits = false;

    if (!verified) /* the check is about the same server with the verifier */
        return;
    if (!start_unkind_server(&server, "--quiet", "accept_full"))
        return;
    while (count < MOST && !waits && !in_trouble()) {
        SOCKET peer = connect_peer(server.port);
        peers[count++] = peer;
        if (peer == INVALID_SOCKET || !send_all(peer, service_bytes(service), length))
            break;
        waits = wait_for_socket(peer, READABLE, (DWORD)at_this_pace(ANSWER_MS)) == 0;
        if (!waits && (service->opens == NULL || service->opens(peer)))
            receive_exactly(peer, service_bytes(service), length);
    }
    if (waits && !in_trouble()) {
        shutdown(peers[0], SD_SEND); /* it leaves in order */
        service_receive_end(peers[0], service, count > 1 ? length : 0);
        if (!in_trouble() && wait_for_socket(peers[count - 1], READABLE, (DWORD)patience_ms) == 0)
            trouble(TIMED_OUT, "what makes the server accept again after an accept that failed?",
                    "the accept of client %d failed, because there was no socket left: expected it "
                    "to be served when another one had left, found that it still waits",
                    count);
        else if (!in_trouble() && (service->opens == NULL || service->opens(peers[count - 1])))
            receive_exactly(peers[count - 1], service_bytes(service), length);
    }
    end_peers(peers, count);
    stop_server(&server);
}

/* ---- stop -------------------------------------------------------------------------------- */

/* Clients that come, and leave immediately, one after the other, until the server has ended. */
struct rush {
    int port;
    double end;
};

static DWORD WINAPI rush_in(void *parameter)
{
    const struct rush *rush = parameter;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((unsigned short)rush->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool come = true;

    for (int i = 0; come && now_ms() < rush->end; i++) {
        SOCKET peer = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
        come = peer != INVALID_SOCKET &&
               connect(peer, (const struct sockaddr *)&address, sizeof address) == 0;
        if (come && i % 2 == 0)
            send(peer, "x", 1, 0);
        if (i % 3 == 0)
            reset_peer(peer);
        else
            close_peer(peer);
    }
    return 0;
}

/* So little is on its way to a client that each send completes immediately: none is cancelled, and
 * the summary must have all of them. Meanwhile others come and go. */
static void stop_in_a_game(const struct service *service)
{
    enum { COUNT = 16, PLAY_MS = 150, ROUNDS = 3 };

    for (int round = 0; round < ROUNDS && !in_trouble(); round++) {
        struct flood games[COUNT];
        HANDLE threads[COUNT];
        SOCKET peers[COUNT];
        struct server server;
        struct summary summary = {0, 0, 0};
        if (!start_server(&server, "--quiet"))
            return;
        for (int i = 0; i < COUNT; i++)
            peers[i] = in_trouble() ? INVALID_SOCKET : service_connect(server.port, service);
        for (int i = 0; i < COUNT; i++)
            games[i] = (struct flood){service, peers[i], now_ms() + 2.0 * patience_ms, 0, 0};
        begin_threads(play_ping_pong, games, threads, COUNT);
        struct rush rush = {server.port, now_ms() + 2.0 * patience_ms};
        HANDLE rushing = CreateThread(NULL, 0, rush_in, &rush, 0, NULL);
        if (rushing == NULL)
            fail((int)GetLastError(), "CreateThread");
        Sleep(PLAY_MS);
        bool stopped = stop_soon_and_keep(&server);
        long long came_back = wait_for_floods(games, threads, COUNT);
        WaitForSingleObject(rushing, INFINITE); /* the server has ended: it cannot connect */
        CloseHandle(rushing);
        if (stopped && find_summary(&server.process, &summary) && summary.bytes < came_back)
            trouble(FAILED, "is a send counted that has completed when Ctrl+C comes?",
                    "%d clients each waited for %lu bytes before they sent the next ones, and "
                    "got %lld altogether before the server ended: expected at least as many in the "
                    "summary, found %lld",
                    COUNT, (unsigned long)service_units(service, FIRST_LENGTH), came_back,
                    summary.bytes);
        end_program(&server.process, "after Ctrl+C");
        end_peers(peers, COUNT);
    }
}

static void stop_with_each_kind(const struct service *service)
{
    enum { SILENT, NEW, LAZY, HALF_CLOSED, INCOMPLETE, FLOOD, FLOODS = 16, COUNT = FLOOD + FLOODS };
    const unsigned char *bytes = service_bytes(service);
    struct flood floods[FLOODS];
    HANDLE threads[FLOODS];
    SOCKET peers[COUNT];
    struct server server;
    struct summary summary = {0, 0, 0};

    if (!start_server(&server, "--quiet"))
        return;
    for (int i = 0; i < COUNT; i++)
        peers[i] = in_trouble() ? INVALID_SOCKET
                   : i == NEW   ? connect_peer(server.port)
                                : service_connect(server.port, service);
    if (!in_trouble()) {
        exchange(peers[SILENT], bytes, service_units(service, 1000), 1000);
        send_all(peers[INCOMPLETE], bytes, 3);
        service_fill(peers[LAZY], bytes, SERVICE_SIZE);
        service_fill(peers[HALF_CLOSED], bytes, SERVICE_SIZE);
        shutdown(peers[HALF_CLOSED], SD_SEND);
        for (int i = 0; i < FLOODS; i++)
            floods[i] =
                (struct flood){service, peers[FLOOD + i], now_ms() + 2.0 * patience_ms, 0, 0};
        begin_threads(send_flood, floods, threads, FLOODS);
        give_time(200);
        bool stopped = stop_soon_and_keep(&server); /* the floods go on until it has ended */
        long long came_back =
            (long long)service_units(service, 1000) + wait_for_floods(floods, threads, FLOODS);
        /* A send that is cancelled counts nothing, although a part of it may have come back. */
        came_back -= (long long)FLOODS * BUFFER;
        if (stopped && find_summary(&server.process, &summary) && summary.bytes < came_back)
            trouble(FAILED, "which bytes are counted for a client that is still connected?",
                    "expected at least %lld bytes in the summary, because they have come back, "
                    "found %lld",
                    came_back, summary.bytes);
        end_program(&server.process, "after Ctrl+C");
    } else {
        stop_server(&server);
    }
    end_peers(peers, COUNT);
}

void service_stops(const struct service *service)
{
    service_bytes(service); /* made once, before there are threads */
    stop_with_each_kind(service);
    stop_in_a_game(service);
}
