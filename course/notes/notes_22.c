/* notes_22.c - chapter 22 of the lecture notes: overlapped I/O. */
#include "notes.h"

/* An operation that an experiment has begun, with its own event. */
struct operation {
    WSAOVERLAPPED overlapped;
    int error; /* 0: completed immediately; WSA_IO_PENDING; or another one: failed */
};

static void prepare(struct operation *operation)
{
    memset(operation, 0, sizeof *operation);
    operation->overlapped.hEvent = WSACreateEvent();
    if (operation->overlapped.hEvent == WSA_INVALID_EVENT)
        fail(WSAGetLastError(), "WSACreateEvent");
}

static void begin_send(struct operation *operation, SOCKET socket, ULONG size)
{
    WSABUF bytes = {size, huge};
    prepare(operation);
    int result = WSASend(socket, &bytes, 1, NULL, 0, &operation->overlapped, NULL);
    operation->error = result == 0 ? 0 : WSAGetLastError();
}

static char received_bytes[1000];

static void begin_receive(struct operation *operation, SOCKET socket)
{
    WSABUF space = {sizeof received_bytes, received_bytes};
    DWORD flags = 0;
    prepare(operation);
    int result = WSARecv(socket, &space, 1, NULL, &flags, &operation->overlapped, NULL);
    operation->error = result == 0 ? 0 : WSAGetLastError();
}

static bool in_progress(const struct operation *operation)
{
    return !HasOverlappedIoCompleted(&operation->overlapped);
}

/* Waits until it is complete. Returns the number of bytes, or -1 if it failed. */
static long finish(struct operation *operation, SOCKET socket)
{
    DWORD bytes, flags;
    BOOL done = WSAGetOverlappedResult(socket, &operation->overlapped, &bytes, TRUE, &flags);
    WSACloseEvent(operation->overlapped.hEvent);
    return done ? (long)bytes : -1;
}

/* Lets the other side read until the long send is complete. */
static long finish_huge_send(struct operation *operation, struct pair pair)
{
    receive_huge(pair.theirs);
    return finish(operation, pair.ours);
}

/* ---- overlapping --------------------------------------------------------------------------- */

static void two_at_once(void)
{
    struct pair pair = connect_pair();
    struct operation receive, send;
    begin_receive(&receive, pair.ours);
    begin_send(&send, pair.ours, HUGE_SIZE);
    bool both = in_progress(&receive) && in_progress(&send);
    observed(both, "one thread began a receive and a send; then both were in progress");
    finish_huge_send(&send, pair);
    send_byte(pair.theirs);
    finish(&receive, pair.ours);
    close_pair(pair);
}

static void calls_do_not_block(void)
{
    struct pair pair = connect_pair();
    struct operation receive, send;
    double begun = now_ms();
    begin_receive(&receive, pair.ours); /* there is nothing to receive */
    begin_send(&send, pair.ours, HUGE_SIZE);
    double took = now_ms() - begun;
    observed(
        took < AT_ONCE_MS && receive.error == WSA_IO_PENDING && send.error == WSA_IO_PENDING,
        "the socket is in blocking mode, as every new socket is; yet both calls returned after "
        "%.1f ms",
        took);
    finish_huge_send(&send, pair);
    send_byte(pair.theirs);
    finish(&receive, pair.ours);
    close_pair(pair);
}

/* Sends as much as the connection takes. Returns the number of bytes. */
static int send_some(SOCKET socket, int left)
{
    int sent = send(socket, huge, left < 65536 ? left : 65536, 0);
    return sent == SOCKET_ERROR ? 0 : sent;
}

static int receive_some(SOCKET socket)
{
    static char bytes[65536];
    int received = recv(socket, bytes, sizeof bytes, 0);
    return received > 0 ? received : 0;
}

static void without_overlapped_io(void)
{
    enum { TRANSFER_SIZE = 4 * 1024 * 1024 };
    struct pair first = connect_pair(), second = connect_pair();
    SOCKET sockets[] = {first.ours, first.theirs, second.ours, second.theirs};
    u_long yes = 1;
    int sent[2] = {0, 0}, received[2] = {0, 0};
    int both_on_their_way = 0; /* rounds */
    double deadline = now_ms() + PATIENCE_MS;

    for (int i = 0; i < 4; i++)
        ioctlsocket(sockets[i], FIONBIO, &yes);
    while ((received[0] < TRANSFER_SIZE || received[1] < TRANSFER_SIZE) && now_ms() < deadline) {
        for (int i = 0; i < 2; i++) {
            if (sent[i] < TRANSFER_SIZE)
                sent[i] += send_some(sockets[2 * i], TRANSFER_SIZE - sent[i]);
            received[i] += receive_some(sockets[2 * i + 1]);
        }
        both_on_their_way += received[0] > 0 && received[0] < TRANSFER_SIZE && received[1] > 0 &&
                             received[1] < TRANSFER_SIZE;
    }
    observed(received[0] == TRANSFER_SIZE && received[1] == TRANSFER_SIZE && both_on_their_way > 0,
             "one thread with non-blocking send and recv: two transfers of %d bytes, both on their "
             "way in %d rounds",
             TRANSFER_SIZE, both_on_their_way);
    close_pair(first);
    close_pair(second);
}

static void flag_of_wsasocket(void)
{
    SOCKET with_flag = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    struct sockaddr_in address;
    SOCKET listener = listen_somewhere(&address);
    struct operation receive;
    if (connect(with_flag, (struct sockaddr *)&address, sizeof address) != 0)
        fail(WSAGetLastError(), "connect to 127.0.0.1");
    begin_receive(&receive, with_flag);
    SOCKET accepted = accept(listener, NULL, NULL);
    send_byte(accepted);
    observed(receive.error == WSA_IO_PENDING && finish(&receive, with_flag) == 1,
             "a socket made with WSA_FLAG_OVERLAPPED: the receive was in progress after the call");
    closesocket(with_flag);
    closesocket(accepted);
    closesocket(listener);
}

static void socket_is_overlapped(void)
{
    struct pair pair = connect_pair(); /* made by socket, and accept */
    struct operation receive;
    begin_receive(&receive, pair.ours);
    send_byte(pair.theirs);
    observed(receive.error == WSA_IO_PENDING && finish(&receive, pair.ours) == 1,
             "a socket made with socket: the receive was in progress after the call");
    close_pair(pair);
}

/* ---- results ------------------------------------------------------------------------------- */

static void pending(void)
{
    struct pair pair = connect_pair();
    WSABUF bytes = {HUGE_SIZE, huge};
    struct operation send;
    prepare(&send);
    int result = WSASend(pair.ours, &bytes, 1, NULL, 0, &send.overlapped, NULL);
    int error = WSAGetLastError();
    bool going_on = in_progress(&send);
    long sent = finish_huge_send(&send, pair);
    observed(result == SOCKET_ERROR && error == WSA_IO_PENDING && going_on && sent == HUGE_SIZE,
             "WSASend returned %d (the constant SOCKET_ERROR), WSAGetLastError returned %d "
             "(WSA_IO_PENDING), and the send went on",
             result, error);
    close_pair(pair);
}

static void done_at_once(void)
{
    struct pair pair = connect_pair();
    struct operation send;
    begin_send(&send, pair.ours, 10);
    bool complete = !in_progress(&send);
    DWORD place = WSAWaitForMultipleEvents(1, &send.overlapped.hEvent, FALSE, 0, FALSE);
    observed(send.error == 0 && complete && place == WSA_WAIT_EVENT_0,
             "WSASend of 10 bytes returned 0, and the event was signalled already");
    finish(&send, pair.ours);
    close_pair(pair);
}

static void result_without_waiting(void)
{
    struct pair pair = connect_pair();
    struct operation send;
    DWORD bytes, flags;
    begin_send(&send, pair.ours, HUGE_SIZE);
    double begun = now_ms();
    BOOL done = WSAGetOverlappedResult(pair.ours, &send.overlapped, &bytes, FALSE, &flags);
    int error = done ? 0 : WSAGetLastError();
    double took = now_ms() - begun;
    observed(error == WSA_IO_INCOMPLETE && took < AT_ONCE_MS,
             "called without waiting, while the send was in progress: failed immediately with %d "
             "(WSA_IO_INCOMPLETE is %d)",
             error, (int)WSA_IO_INCOMPLETE);
    finish_huge_send(&send, pair);
    close_pair(pair);
}

static void result_with_waiting(void)
{
    struct pair pair = connect_pair();
    struct errand reading;
    struct operation send;
    begin_send(&send, pair.ours, HUGE_SIZE);
    begin_errand(&reading, LATER_MS, receive_huge, pair.theirs);
    double begun = now_ms();
    long sent = finish(&send, pair.ours); /* with TRUE: wait */
    double took = now_ms() - begun;
    observed(sent == HUGE_SIZE && took >= LATER_MS * 0.9,
             "called with waiting: it returned after %.0f ms, when the send was complete", took);
    end_errand(&reading);
    close_pair(pair);
}

static void bytes_of_both(void)
{
    struct pair pair = connect_pair();
    struct operation receive, send;
    begin_receive(&receive, pair.ours);
    begin_send(&send, pair.theirs, 7);
    long sent = finish(&send, pair.theirs), received = finish(&receive, pair.ours);
    observed(sent == 7 && received == 7,
             "WSAGetOverlappedResult reported %ld bytes sent, and %ld bytes received", sent,
             received);
    close_pair(pair);
}

static void receive_like_send(void)
{
    struct pair pair = connect_pair();
    struct operation waiting, at_once;
    begin_receive(&waiting, pair.ours);
    say_something(pair.theirs);
    long first = finish(&waiting, pair.ours);
    say_something(pair.theirs);
    begin_receive(&at_once, pair.ours);
    long second = finish(&at_once, pair.ours);
    observed(waiting.error == WSA_IO_PENDING && at_once.error == 0 && first == 1 && second == 1,
             "without data WSARecv failed with WSA_IO_PENDING, with data it returned 0; in the end "
             "each received 1 byte");
    close_pair(pair);
}

static void event_signalled(void)
{
    struct pair pair = connect_pair();
    struct operation receive;
    begin_receive(&receive, pair.ours);
    DWORD before = WSAWaitForMultipleEvents(1, &receive.overlapped.hEvent, FALSE, 50, FALSE);
    send_byte(pair.theirs);
    DWORD after =
        WSAWaitForMultipleEvents(1, &receive.overlapped.hEvent, FALSE, PATIENCE_MS, FALSE);
    observed(before == WSA_WAIT_TIMEOUT && after == WSA_WAIT_EVENT_0,
             "while the receive was in progress: not signalled; when it was complete: signalled");
    finish(&receive, pair.ours);
    close_pair(pair);
}

/* ---- completion routines ------------------------------------------------------------------- */

static volatile LONG times_called;
static DWORD called_bytes;
static DWORD called_error;
static DWORD called_on; /* the thread */

static void CALLBACK routine(DWORD error, DWORD bytes, WSAOVERLAPPED *overlapped, DWORD flags)
{
    (void)overlapped;
    (void)flags;
    called_error = error;
    called_bytes = bytes;
    called_on = GetCurrentThreadId();
    InterlockedIncrement(&times_called);
}

static int receive_with_routine(SOCKET socket, WSAOVERLAPPED *overlapped)
{
    WSABUF space = {sizeof received_bytes, received_bytes};
    DWORD flags = 0;
    memset(overlapped, 0, sizeof *overlapped);
    times_called = 0;
    int result = WSARecv(socket, &space, 1, NULL, &flags, overlapped, routine);
    return result == 0 ? 0 : WSAGetLastError();
}

static void routine_called(void)
{
    struct pair pair = connect_pair();
    WSAOVERLAPPED overlapped;
    int error = receive_with_routine(pair.ours, &overlapped);
    send_byte(pair.theirs);
    DWORD end = SleepEx(PATIENCE_MS, TRUE);
    observed(error == WSA_IO_PENDING && end == WAIT_IO_COMPLETION && times_called == 1 &&
                 called_error == 0 && called_bytes == 1,
             "nothing in the program called the routine; it was passed error %lu and %lu byte",
             called_error, called_bytes);
    close_pair(pair);
}

static void not_in_sleep(void)
{
    struct pair pair = connect_pair();
    WSAOVERLAPPED overlapped;
    receive_with_routine(pair.ours, &overlapped);
    send_byte(pair.theirs);
    Sleep(LATER_MS);
    LONG in_sleep = times_called;
    bool complete = HasOverlappedIoCompleted(&overlapped);
    SleepEx(PATIENCE_MS, TRUE);
    observed(in_sleep == 0 && complete && times_called == 1,
             "the receive was complete; in Sleep the routine was called %ld times, then in SleepEx "
             "%ld time",
             in_sleep, times_called);
    close_pair(pair);
}

static void sleep_alertably(SOCKET socket)
{
    (void)socket;
    SleepEx(LATER_MS, TRUE);
}

static void not_on_another_thread(void)
{
    struct pair pair = connect_pair();
    struct errand other;
    WSAOVERLAPPED overlapped;
    receive_with_routine(pair.ours, &overlapped);
    send_byte(pair.theirs);
    begin_errand(&other, 0, sleep_alertably, INVALID_SOCKET);
    end_errand(&other);
    LONG meanwhile = times_called;
    SleepEx(PATIENCE_MS, TRUE);
    observed(meanwhile == 0 && times_called == 1 && called_on == GetCurrentThreadId(),
             "another thread waited alertably: %ld calls; then the thread that had begun the "
             "receive: %ld",
             meanwhile, times_called);
    close_pair(pair);
}

static void also_when_done_at_once(void)
{
    struct pair pair = connect_pair();
    WSAOVERLAPPED overlapped;
    say_something(pair.theirs);
    int error = receive_with_routine(pair.ours, &overlapped);
    LONG after_the_call = times_called;
    SleepEx(PATIENCE_MS, TRUE);
    observed(
        error == 0 && after_the_call == 0 && times_called == 1,
        "WSARecv returned 0; %ld calls of the routine before the alertable wait, %ld during it",
        after_the_call, times_called);
    close_pair(pair);
}

static void alertable_wait(void)
{
    struct pair pair = connect_pair();
    WSAEVENT event = WSACreateEvent();
    WSAOVERLAPPED overlapped;
    receive_with_routine(pair.ours, &overlapped);
    send_byte(pair.theirs);
    DWORD not_alertable = WSAWaitForMultipleEvents(1, &event, FALSE, LATER_MS, FALSE);
    LONG before = times_called;
    DWORD alertable = WSAWaitForMultipleEvents(1, &event, FALSE, PATIENCE_MS, TRUE);
    observed(not_alertable == WSA_WAIT_TIMEOUT && before == 0 &&
                 alertable == WSA_WAIT_IO_COMPLETION && times_called == 1,
             "WSAWaitForMultipleEvents with FALSE at the end: not called; with TRUE: called, and "
             "the wait returned WSA_WAIT_IO_COMPLETION");
    WSACloseEvent(event);
    close_pair(pair);
}

const struct statement statements_22[] = {
    {.number = "22.1",
     .sentence = "Overlapping means that one thread has at least two transfers in progress at the "
                 "same time.",
     .play = two_at_once},
    {.number = "22.2",
     .sentence = "That requires calls that do not block. (Overlapped calls never block, whatever "
                 "the socket's mode.)",
     .play = calls_do_not_block},
    {.number = "22.3",
     .sentence = "Overlapping is also possible without overlapped I/O.",
     .play = without_overlapped_io},
    {.number = "22.4",
     .sentence = "WSASocket with WSA_FLAG_OVERLAPPED creates a socket for overlapped I/O.",
     .play = flag_of_wsasocket},
    {.number = "22.5",
     .sentence = "(Not in the notes:) a socket created with socket supports overlapped I/O as "
                 "well.",
     .play = socket_is_overlapped},
    {.number = "22.6",
     .sentence = "If the transfer is still in progress, WSASend returns SOCKET_ERROR, and the "
                 "error is WSA_IO_PENDING.",
     .play = pending},
    {.number = "22.7",
     .sentence = "(Not in the notes:) if the transfer completes immediately, the call returns 0, "
                 "and the event object is signalled even so.",
     .play = done_at_once},
    {.number = "22.8",
     .sentence = "When the transfer is complete, the event object in its OVERLAPPED is signalled.",
     .play = event_signalled},
    {.number = "22.9",
     .sentence = "WSAGetOverlappedResult can be called while the transfer is in progress.",
     .play = result_without_waiting},
    {.number = "22.10",
     .sentence = "WSAGetOverlappedResult can wait until the transfer is complete.",
     .play = result_with_waiting},
    {.number = "22.11",
     .sentence = "WSAGetOverlappedResult reports how many bytes were sent or received.",
     .play = bytes_of_both},
    {.number = "22.12", .sentence = "WSARecv is used like WSASend.", .play = receive_like_send},
    {.number = "22.13",
     .sentence = "The system calls the completion routine when the transfer is complete.",
     .play = routine_called},
    {.number = "22.14",
     .sentence = "The routine is called only in an alertable wait: not in Sleep, but in SleepEx "
                 "with TRUE.",
     .play = not_in_sleep},
    {.number = "22.15",
     .sentence = "The thread that began the transfer must be the one that waits alertably.",
     .play = not_on_another_thread},
    {.number = "22.16",
     .sentence = "(Not in the notes:) the routine is also called after an immediate success.",
     .play = also_when_done_at_once},
    {.number = "22.17",
     .sentence = "WSAWaitForMultipleEvents can be an alertable wait.",
     .play = alertable_wait},
    {0},
};
