/*
 * notes_23.c - chapter 23, I/O completion ports. The lecture notes contain only the title of this
 * chapter: these statements come from Microsoft's documentation.
 */
#include "notes.h"

#include <mswsock.h> /* AcceptEx */

static HANDLE new_port(DWORD threads_at_a_time)
{
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, threads_at_a_time);
    if (port == NULL)
        fail((int)GetLastError(), "CreateIoCompletionPort");
    return port;
}

static void associate(SOCKET socket, HANDLE port, ULONG_PTR key)
{
    if (CreateIoCompletionPort((HANDLE)socket, port, key, 0) == NULL)
        fail((int)GetLastError(), "CreateIoCompletionPort for a socket");
}

static void post(HANDLE port, DWORD bytes, ULONG_PTR key)
{
    if (!PostQueuedCompletionStatus(port, bytes, key, NULL))
        fail((int)GetLastError(), "PostQueuedCompletionStatus");
}

struct packet {
    BOOL succeeded;
    DWORD error; /* if it has not succeeded */
    DWORD bytes;
    ULONG_PTR key;
    OVERLAPPED *overlapped;
};

static struct packet take(HANDLE port, DWORD milliseconds)
{
    struct packet packet = {0};
    packet.succeeded = GetQueuedCompletionStatus(port, &packet.bytes, &packet.key,
                                                 &packet.overlapped, milliseconds);
    packet.error = packet.succeeded ? 0 : GetLastError();
    return packet;
}

static char received_bytes[1000];

static int begin_receive(SOCKET socket, WSAOVERLAPPED *overlapped)
{
    WSABUF space = {sizeof received_bytes, received_bytes};
    DWORD flags = 0;
    memset(overlapped, 0, sizeof *overlapped);
    int result = WSARecv(socket, &space, 1, NULL, &flags, overlapped, NULL);
    return result == 0 ? 0 : WSAGetLastError();
}

/* ---- packets ------------------------------------------------------------------------------- */

static void told_by_key(void)
{
    HANDLE port = new_port(0);
    struct pair first = connect_pair(), second = connect_pair();
    WSAOVERLAPPED of_first, of_second;
    associate(first.ours, port, 1);
    associate(second.ours, port, 2);
    begin_receive(first.ours, &of_first);
    begin_receive(second.ours, &of_second);
    say_something(second.theirs);
    say_something(first.theirs);
    struct packet one = take(port, PATIENCE_MS), other = take(port, PATIENCE_MS);
    observed(
        one.key == 2 && one.overlapped == &of_second && other.key == 1 &&
            other.overlapped == &of_first,
        "two sockets at one port; the packets had key %d, then key %d, each with its OVERLAPPED",
        (int)one.key, (int)other.key);
    close_pair(first);
    close_pair(second);
    CloseHandle(port);
}

static void packet_tells_bytes(void)
{
    HANDLE port = new_port(0);
    struct pair pair = connect_pair();
    WSAOVERLAPPED overlapped;
    associate(pair.ours, port, 1);
    begin_receive(pair.ours, &overlapped);
    struct packet before = take(port, 50);
    send(pair.theirs, "seven b", 7, 0);
    struct packet packet = take(port, PATIENCE_MS);
    observed(before.error == WAIT_TIMEOUT && packet.succeeded && packet.bytes == 7,
             "no packet while the receive was in progress; then one, with %lu bytes", packet.bytes);
    close_pair(pair);
    CloseHandle(port);
}

static void immediate_success(void)
{
    HANDLE port = new_port(0);
    struct pair pair = connect_pair();
    WSAOVERLAPPED overlapped;
    associate(pair.ours, port, 1);
    say_something(pair.theirs);
    int error = begin_receive(pair.ours, &overlapped);
    struct packet packet = take(port, PATIENCE_MS);
    observed(error == 0 && packet.succeeded && packet.overlapped == &overlapped,
             "WSARecv returned 0, and a packet came even so");
    close_pair(pair);
    CloseHandle(port);
}

static void skip_on_success(void)
{
    HANDLE port = new_port(0);
    struct pair pair = connect_pair();
    WSAOVERLAPPED overlapped;
    associate(pair.ours, port, 1);
    if (!SetFileCompletionNotificationModes((HANDLE)pair.ours,
                                            FILE_SKIP_COMPLETION_PORT_ON_SUCCESS))
        fail((int)GetLastError(), "SetFileCompletionNotificationModes");
    say_something(pair.theirs);
    int at_once = begin_receive(pair.ours, &overlapped);
    struct packet none = take(port, LATER_MS);
    int pending = begin_receive(pair.ours, &overlapped);
    say_something(pair.theirs);
    struct packet packet = take(port, PATIENCE_MS);
    observed(at_once == 0 && none.error == WAIT_TIMEOUT && pending == WSA_IO_PENDING &&
                 packet.succeeded,
             "a receive that completed immediately: no packet; one that was pending: a packet");
    close_pair(pair);
    CloseHandle(port);
}

static void failed_operation(void)
{
    const struct linger hard = {1, 0}; /* closesocket resets the connection */
    HANDLE port = new_port(0);
    struct pair pair = connect_pair();
    WSAOVERLAPPED overlapped;
    associate(pair.ours, port, 1);
    begin_receive(pair.ours, &overlapped);
    setsockopt(pair.theirs, SOL_SOCKET, SO_LINGER, (const char *)&hard, sizeof hard);
    closesocket(pair.theirs);
    struct packet packet = take(port, PATIENCE_MS);
    observed(!packet.succeeded && packet.overlapped == &overlapped && packet.error != WAIT_TIMEOUT,
             "the other side reset the connection: FALSE, the OVERLAPPED of the receive, error %lu",
             packet.error);
    closesocket(pair.ours);
    CloseHandle(port);
}

static void no_packet(void)
{
    HANDLE port = new_port(0);
    struct packet packet = take(port, 50);
    observed(!packet.succeeded && packet.overlapped == NULL && packet.error == WAIT_TIMEOUT,
             "nothing for 50 ms: FALSE, no OVERLAPPED, error %lu (WAIT_TIMEOUT)", packet.error);
    CloseHandle(port);
}

static void posted_packet(void)
{
    HANDLE port = new_port(0);
    OVERLAPPED any;
    if (!PostQueuedCompletionStatus(port, 12, 34, &any))
        fail((int)GetLastError(), "PostQueuedCompletionStatus");
    struct packet packet = take(port, PATIENCE_MS);
    observed(packet.succeeded && packet.bytes == 12 && packet.key == 34 &&
                 packet.overlapped == &any,
             "posted: 12 bytes, key 34, an OVERLAPPED; taken: the same three");
    CloseHandle(port);
}

static void first_in_first_out(void)
{
    HANDLE port = new_port(0);
    int in_order = 0;
    for (int i = 1; i <= 100; i++)
        post(port, 0, (ULONG_PTR)i);
    for (int i = 1; i <= 100; i++)
        in_order += take(port, PATIENCE_MS).key == (ULONG_PTR)i;
    observed(in_order == 100, "100 packets posted; %d of them came in the same order", in_order);
    CloseHandle(port);
}

static void several_at_a_time(void)
{
    HANDLE port = new_port(0);
    OVERLAPPED_ENTRY entries[10];
    ULONG count = 0;
    for (int i = 1; i <= 5; i++)
        post(port, 0, (ULONG_PTR)i);
    GetQueuedCompletionStatusEx(port, entries, 10, &count, PATIENCE_MS, FALSE);
    observed(count == 5, "5 packets in the queue; one call took %lu", count);
    CloseHandle(port);
}

static void cancelled_operation(void)
{
    HANDLE port = new_port(0);
    struct pair pair = connect_pair();
    WSAOVERLAPPED overlapped;
    associate(pair.ours, port, 1);
    begin_receive(pair.ours, &overlapped);
    BOOL cancelled = CancelIoEx((HANDLE)pair.ours, &overlapped);
    struct packet packet = take(port, PATIENCE_MS);
    observed(cancelled && !packet.succeeded && packet.overlapped == &overlapped &&
                 packet.error == ERROR_OPERATION_ABORTED,
             "CancelIoEx; then its packet: FALSE, error %lu (ERROR_OPERATION_ABORTED is %d)",
             packet.error, (int)ERROR_OPERATION_ABORTED);
    close_pair(pair);
    CloseHandle(port);
}

static void accept_as_operation(void)
{
    GUID guid = WSAID_ACCEPTEX;
    LPFN_ACCEPTEX accept_ex;
    HANDLE port = new_port(0);
    struct sockaddr_in address;
    char addresses[2 * (sizeof address + 16)];
    WSAOVERLAPPED overlapped = {0};
    DWORD bytes;
    SOCKET listener = listen_somewhere(&address);
    SOCKET accepted = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    SOCKET client = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

    if (WSAIoctl(listener, SIO_GET_EXTENSION_FUNCTION_POINTER, &guid, sizeof guid, &accept_ex,
                 sizeof accept_ex, &bytes, NULL, NULL) == SOCKET_ERROR)
        fail(WSAGetLastError(), "find AcceptEx");
    associate(listener, port, 1);
    BOOL done = accept_ex(listener, accepted, addresses, 0, sizeof address + 16,
                          sizeof address + 16, &bytes, &overlapped);
    int error = done ? 0 : WSAGetLastError();
    struct packet before = take(port, 50);
    connect(client, (struct sockaddr *)&address, sizeof address);
    struct packet packet = take(port, PATIENCE_MS);
    observed(
        error == WSA_IO_PENDING && before.error == WAIT_TIMEOUT && packet.succeeded &&
            packet.key == 1,
        "AcceptEx was pending; when a client connected, a packet with the listener's key came");
    closesocket(client);
    closesocket(accepted);
    closesocket(listener);
    CloseHandle(port);
}

/* ---- workers ------------------------------------------------------------------------------- */

/* A worker takes packets until one has the key 0, and works a while on each. */
struct worker {
    HANDLE thread;
    HANDLE port;
    bool computes; /* or sleeps */
    volatile LONG taken;
};

static volatile LONG working, most_working;

static void work_a_while(bool computes)
{
    LONG now_working = InterlockedIncrement(&working);
    if (now_working > most_working)
        InterlockedExchange(&most_working, now_working);
    double until = now_ms() + 20;
    while (computes && now_ms() < until)
        continue;
    if (!computes)
        Sleep(20);
    InterlockedDecrement(&working);
}

static DWORD WINAPI work(void *parameter)
{
    struct worker *worker = parameter;
    while (take(worker->port, INFINITE).key != 0) {
        InterlockedIncrement(&worker->taken);
        work_a_while(worker->computes);
    }
    return 0;
}

static void start_worker(struct worker *worker, HANDLE port, bool computes)
{
    worker->port = port;
    worker->computes = computes;
    worker->taken = 0;
    worker->thread = CreateThread(NULL, 0, work, worker, 0, NULL);
    if (worker->thread == NULL)
        fail((int)GetLastError(), "CreateThread");
}

/* Two workers share 20 packets; a packet with the key 0 ends each of them. */
static void let_two_work(struct worker *workers, HANDLE port, bool computes)
{
    working = most_working = 0;
    for (int i = 0; i < 2; i++)
        start_worker(&workers[i], port, computes);
    Sleep(50); /* both wait */
    for (int i = 1; i <= 20; i++)
        post(port, 0, (ULONG_PTR)i);
    post(port, 0, 0);
    post(port, 0, 0);
    for (int i = 0; i < 2; i++) {
        WaitForSingleObject(workers[i].thread, INFINITE);
        CloseHandle(workers[i].thread);
    }
}

static void any_worker(void)
{
    struct worker workers[2];
    HANDLE port = new_port(0);
    let_two_work(workers, port, false);
    observed(workers[0].taken > 0 && workers[1].taken > 0 &&
                 workers[0].taken + workers[1].taken == 20,
             "20 packets, two workers: one took %ld, the other %ld, none was taken twice",
             workers[0].taken, workers[1].taken);
    CloseHandle(port);
}

static volatile DWORD taken_on; /* the thread */

static DWORD WINAPI take_one(void *port)
{
    if (take(port, PATIENCE_MS).succeeded)
        taken_on = GetCurrentThreadId();
    return 0;
}

static void not_the_thread_that_began(void)
{
    HANDLE port = new_port(0);
    struct pair pair = connect_pair();
    WSAOVERLAPPED overlapped;
    associate(pair.ours, port, 1);
    begin_receive(pair.ours, &overlapped);
    HANDLE thread = CreateThread(NULL, 0, take_one, port, 0, NULL);
    send_byte(pair.theirs);
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    observed(taken_on != 0 && taken_on != GetCurrentThreadId(),
             "thread %lu began the receive; thread %lu took its packet", GetCurrentThreadId(),
             taken_on);
    close_pair(pair);
    CloseHandle(port);
}

static void concurrency_value(void)
{
    struct worker workers[2];
    HANDLE module = GetModuleHandleA("ntdll.dll");
    if (GetProcAddress(module, "wine_get_version") != NULL) {
        not_seen_here("Wine 8 lets any number of threads run, whatever the value");
        return;
    }
    HANDLE port = new_port(1);
    let_two_work(workers, port, true);
    LONG computing = most_working;
    CloseHandle(port);
    port = new_port(1);
    let_two_work(workers, port, false); /* a sleeping thread does not count */
    LONG sleeping = most_working;
    CloseHandle(port);
    observed(computing == 1 && sleeping == 2,
             "value 1, two workers: %ld at a time while they computed, %ld while they slept",
             computing, sleeping);
}

const struct statement statements_23[] = {
    {.number = "23.1",
     .sentence = "Sockets are associated with a completion port; the key in a packet shows which "
                 "socket it is about.",
     .play = told_by_key},
    {.number = "23.2",
     .sentence = "A packet is queued when the operation is complete, and contains the number of "
                 "bytes.",
     .play = packet_tells_bytes},
    {.number = "23.3",
     .sentence = "A packet is also queued after an immediate success.",
     .play = immediate_success},
    {.number = "23.4",
     .sentence = "With FILE_SKIP_COMPLETION_PORT_ON_SUCCESS no packet is queued then: the result "
                 "is known already.",
     .play = skip_on_success},
    {.number = "23.5",
     .sentence = "For a failed operation GetQueuedCompletionStatus returns FALSE, with the "
                 "operation's OVERLAPPED.",
     .play = failed_operation},
    {.number = "23.6",
     .sentence = "FALSE without an OVERLAPPED means that no packet was taken.",
     .play = no_packet},
    {.number = "23.7", .sentence = "A program can post its own packets.", .play = posted_packet},
    {.number = "23.8",
     .sentence = "Packets are taken in the order in which they were queued.",
     .play = first_in_first_out},
    {.number = "23.9",
     .sentence = "GetQueuedCompletionStatusEx takes several packets with one call.",
     .play = several_at_a_time},
    {.number = "23.10",
     .sentence = "A cancelled operation still completes, and its packet is queued.",
     .play = cancelled_operation},
    {.number = "23.11",
     .sentence = "With AcceptEx an accept is an operation like the others.",
     .play = accept_as_operation},
    {.number = "23.12",
     .sentence = "Any worker may take a packet, but only one takes it.",
     .play = any_worker},
    {.number = "23.13",
     .sentence = "It need not be the thread that began the operation.",
     .play = not_the_thread_that_began},
    {.number = "23.14",
     .sentence = "The port lets as many threads run at a time as its concurrency value says.",
     .play = concurrency_value},
    {0},
};
