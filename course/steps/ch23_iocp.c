/*
 * All the steps of chapter 23's server. tools/steps.c makes each step from this file.
 *
 * Step 1: one client, one thread: a port and its packets
 * Step 2: the send becomes an operation as well
 * Step 3: workers: several threads take packets from one port
 * Step 4: AcceptEx: the accept becomes an operation as well
 * Step 5: a failure affects only its own client
 * Step 6: under load: more accepts, fewer packets
 * Step 7: shutdown: one stop packet per worker
 * Step 8: an orderly shutdown: cancel, and wait for every packet
 */
/*
 * Chapter 23: I/O completion ports - the echo server.
#if STEP >= 3
 *
 * The program lends the system a buffer with WSARecv or WSASend, which return immediately. The
 * system transfers the bytes, and queues a packet at a completion port when that is done; each of
 * several threads takes one packet after another.
#endif
#if STEP >= 8
 *
 *   cl  /std:c11 server.c ..\common\*.c
 *   gcc -std=c11 server.c ..\common\*.c -o server.exe -lws2_32
 *
 * Left simple on purpose: when memory runs out, the server ends; a shutdown drops what is still on
 * its way; and it does not support sockets of a layered provider (an old kind of filter), for which
 * no packet can be skipped, because their handles are not handles of the system.
#endif
 */
#include "../common/common.h"

#if STEP >= 4
#include <mswsock.h> /* AcceptEx */
#endif
#if STEP >= 3
#include <stdlib.h>

#endif
enum { BUFFER_SIZE = 128 * 1024 }; /* an experiment: make it 5 and count the WSARecv calls */
#if STEP >= 6
enum { ACCEPTS = 64 };             /* in progress at a time; under load their packets queue */
#endif
#if STEP >= 3
enum { MOST_WORKERS = 64 };
#endif
#if STEP >= 4
enum { ADDRESS_SIZE = sizeof(struct sockaddr_storage) + 16 }; /* AcceptEx wants 16 more */
#endif
#if STEP >= 3

#endif
#if STEP >= 7
/* What a packet is about: the key that was given to the port together with the socket. */
enum key { STOP, LISTENER, CLIENT };

#endif
#if STEP >= 2
enum state { ACCEPTING, RECEIVING, SENDING };
#endif

#if STEP >= 5
/* How a call of WSARecv or WSASend turned out: see check_outcome. */
enum outcome { DONE, PENDING, FAILED };

#endif
#if STEP >= 3
/* While the operation is in progress, overlapped and buffer belong to the system. After that, the
 * client belongs to the thread that took the packet, until this thread begins the next operation.
 * A client never has two operations in progress, so two threads never touch it at the same time:
 * it needs no lock. */
#endif
struct client {
    SOCKET socket;
    int number;
#if STEP >= 2
    enum state state;
#endif
    WSAOVERLAPPED overlapped; /* of the one operation in progress */
#if STEP >= 2
    int received;             /* bytes in buffer */
    int sent;                 /* how many of them have been sent back */
#endif
#if STEP >= 8
    struct client *next;      /* in the list clients */
    struct client *previous;
#endif
    char buffer[BUFFER_SIZE];
#if STEP >= 4
    char addresses[2 * ADDRESS_SIZE]; /* AcceptEx writes both addresses here */
#endif
};

static HANDLE completion_port;
#if STEP >= 3
static HANDLE workers[MOST_WORKERS];
#endif
#if STEP >= 3 && STEP < 7
static int worker_count = 2;
#elif STEP >= 7
static int worker_count;
#endif
#if STEP >= 3

#endif
static SOCKET listener;
#if STEP >= 4
static int listener_family;
static LPFN_ACCEPTEX accept_ex;
#endif
#if STEP >= 6
static volatile LONG accepts_pending;
#endif
#if STEP >= 8
static bool stopping; /* no worker runs any more */
#endif

#if STEP >= 8
static SRWLOCK clients_lock = SRWLOCK_INIT;
static struct client *clients; /* all of them, even those still being accepted */

#endif
#if STEP >= 3
static volatile LONG clients_served;
#endif
#if STEP >= 7
static volatile LONG64 bytes_echoed;
static volatile LONG operations_pending;
#endif
#if STEP >= 3

#endif
#if STEP >= 6
/* This server understands one option that the others do not have. */
static const struct number_option options[] = {
    {.name = "--threads",
     .lowest = 1,
     .highest = MOST_WORKERS,
     .number = &worker_count,
#if STEP == 6
     .help = "number of workers, 1 to 64 (default: 2)"},
#endif
#if STEP >= 7
     .help = "number of workers, 1 to 64 (default: one for each processor)"},
#endif
    {.name = NULL},
};

#endif
#if STEP >= 7
static void associate(SOCKET socket, ULONG_PTR key);
#endif
#if STEP >= 6
static void start_accepting(void);
#endif
#if STEP >= 4
static bool begin_accept(void);
#elif STEP >= 3
static void accept_client(void);
#endif
#if STEP >= 3
static void start_workers(void);
#endif
#if STEP >= 7
static void serve_until_stopped(void);
#endif
#if STEP >= 3
static DWORD WINAPI work(void *nothing);
#endif
static bool take_packet(void);
#if STEP >= 4
static void accept_client(struct client *client);
#endif
#if STEP >= 2 && STEP < 5
static void serve_client(struct client *client, DWORD bytes);
#elif STEP >= 5
static void serve_client(struct client *client);
#endif
static void receive(struct client *client);
#if STEP >= 2
static void receive_completed(struct client *client, DWORD bytes);
static void send_rest(struct client *client);
#endif
#if STEP >= 6
static void send_completed(struct client *client, DWORD bytes);
#endif
#if STEP >= 5
static bool operation_result(struct client *client, DWORD *bytes);
static enum outcome check_outcome(int number, const char *call, int result);
#elif STEP >= 2
static void check_outcome(int number, const char *call, int result);
#endif
#if STEP >= 7
static void stop_serving(void);
static void request_stop(void);
#endif
#if STEP >= 4
static void find_accept_ex(void);
#endif
#if STEP >= 2
static WSAOVERLAPPED *fresh_overlapped(struct client *client);
#endif
#if STEP >= 8
static void add_client(struct client *client);
static void remove_client(struct client *client);
#endif
#if STEP >= 3
static void close_client(struct client *client);
#endif

int main(int argc, char **argv)
{
#if STEP >= 7
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    worker_count = (int)system.dwNumberOfProcessors; /* unless --threads says otherwise */
#endif
#if STEP >= 6
    struct arguments arguments = read_server_arguments_with(argc, argv, options);
#else
    struct arguments arguments = read_server_arguments(argc, argv);
#endif
    start_narration(arguments.quiet, stdout);
    start_winsock();

    /* Step 1: a completion port. The last 0: it lets one thread per processor run at a time. */
    completion_port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    if (completion_port == NULL)
        fail((int)GetLastError(), "CreateIoCompletionPort");
#if STEP >= 7
    call_on_ctrl_c(request_stop);
#endif
#if STEP >= 3

#endif
    struct addrinfo *address = find_addresses(arguments.host, arguments.port);
#if STEP >= 4
    listener_family = address->ai_family;
#endif
    listener =
        WSASocketW(address->ai_family, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (listener == INVALID_SOCKET)
        fail(WSAGetLastError(), "WSASocket");
    listen_at(listener, address);
    freeaddrinfo(address);
#if STEP >= 3
    narrate(0, "listen", "%d workers", worker_count);
#endif

#if STEP >= 4
    find_accept_ex();
#endif
#if STEP >= 4 && STEP < 7
    if (CreateIoCompletionPort((HANDLE)listener, completion_port, 0, 0) == NULL)
        fail((int)GetLastError(), "CreateIoCompletionPort for the listener");
#elif STEP >= 7
    associate(listener, LISTENER);
#endif
#if STEP >= 6
    start_accepting();
#elif STEP >= 4
    begin_accept();
#endif
#if STEP >= 3
    start_workers();
#endif
#if STEP >= 3 && STEP < 4
    for (;;)
        accept_client();
#elif STEP >= 4 && STEP < 7
    Sleep(INFINITE); /* the workers do all the work */
#elif STEP >= 7
    serve_until_stopped();
    stop_serving();
#endif
#if STEP >= 8

    stop_winsock();
    return 0;
#endif
#if STEP >= 3
}

#endif
#if STEP == 3
static void accept_client(void)
{
#endif
#if STEP >= 7
/* Step 7: from now on the packets of the socket's operations go to the port, with this key. */
static void associate(SOCKET socket, ULONG_PTR key)
{
    if (CreateIoCompletionPort((HANDLE)socket, completion_port, key, 0) == NULL)
        fail((int)GetLastError(), "CreateIoCompletionPort for a socket");
    narrate(0, "CreateIoCompletionPort", "a socket, with the key %s",
            key == LISTENER ? "LISTENER" : "CLIENT");
}

#endif
#if STEP >= 6
/* Step 6: several accepts are in progress, because clients may connect at the same time. */
static void start_accepting(void)
{
    int begun = 0;
#endif
#if STEP >= 6 && STEP < 8
    while (accepts_pending < ACCEPTS && begin_accept())
#elif STEP >= 8
    while (!stopping && accepts_pending < ACCEPTS && begin_accept())
#endif
#if STEP >= 6
        begun++;
    if (begun > 0)
        narrate(0, "AcceptEx", "%d begun, %ld in progress", begun, accepts_pending);
#endif
#if STEP >= 8
    if (!stopping && clients == NULL)
        fail(0, "not one client can be accepted");
#endif
#if STEP >= 6
}

#endif
#if STEP >= 4
/* Step 4: AcceptEx begins an accept, into a socket that exists already. With length 0 it does not
 * wait for the client's first bytes. Returns false if no accept could begin. */
static bool begin_accept(void)
{
#endif
#if STEP < 4
    SOCKET accepted = accept(listener, NULL, NULL);
    if (accepted == INVALID_SOCKET)
        fail(WSAGetLastError(), "accept");
#else
    SOCKET accepted =
        WSASocketW(listener_family, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
#endif
#if STEP >= 4 && STEP < 6
    if (accepted == INVALID_SOCKET)
        fail(WSAGetLastError(), "WSASocket");
#elif STEP >= 6
    if (accepted == INVALID_SOCKET) {
        narrate_failure(0, "WSASocket", WSAGetLastError());
        return false;
    }
#endif
#if STEP < 3
    struct client client = {.socket = accepted, .number = 1};
#else
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a client");
    client->socket = accepted;
    client->state = ACCEPTING;
#endif
#if STEP == 3
    client->number = (int)InterlockedIncrement(&clients_served);
    narrate(client->number, "accept", "a new client");
#endif
#if STEP < 4
    if (CreateIoCompletionPort((HANDLE)accepted, completion_port, 0, 0) == NULL)
        fail((int)GetLastError(), "CreateIoCompletionPort for a socket");
#endif
#if STEP < 3
    receive(&client);
#elif STEP < 4
    receive(client);
#endif
#if STEP >= 8
    add_client(client);

#endif
#if STEP >= 4
    DWORD bytes;
#endif
#if STEP >= 6
    InterlockedIncrement(&accepts_pending);
#endif
#if STEP >= 4
    BOOL done = accept_ex(listener, accepted, client->addresses, 0, ADDRESS_SIZE, ADDRESS_SIZE,
                          &bytes, fresh_overlapped(client));
    int error = done ? 0 : WSAGetLastError();
    if (error != 0 && error != WSA_IO_PENDING) {
#endif
#if STEP >= 6
        InterlockedDecrement(&accepts_pending);
#endif
#if STEP >= 7
        InterlockedDecrement(&operations_pending);
#endif
#if STEP >= 4
        narrate_failure(0, "AcceptEx", error);
        close_client(client);
        return error == WSAECONNRESET; /* that client has already gone: begin the next one */
    }
    return true; /* a packet will be queued, even if the accept has completed already */
#endif
#if STEP >= 3
}

/* Step 3: each worker is a thread, and all of them do the same. */
static void start_workers(void)
{
    for (int i = 0; i < worker_count; i++) {
        workers[i] = CreateThread(NULL, 0, work, NULL, 0, NULL);
        if (workers[i] == NULL)
            fail((int)GetLastError(), "CreateThread");
    }
}

#endif
#if STEP >= 7
/* The workers do all the work; this thread waits until each of them has taken its STOP packet. */
static void serve_until_stopped(void)
{
    for (int i = 0; i < worker_count; i++) {
        WaitForSingleObject(workers[i], INFINITE);
        CloseHandle(workers[i]);
    }
}

#endif
#if STEP >= 3
static DWORD WINAPI work(void *nothing)
{
    (void)nothing;
#endif
    while (take_packet())
        continue;
#if STEP < 2
    closesocket(client.socket);
#endif
    return 0;
}

#if STEP >= 3
/* Step 1: the next packet. Its OVERLAPPED is a member of a client, so it leads to that client. */
#endif
static bool take_packet(void)
{
    DWORD bytes;
    ULONG_PTR key;
    OVERLAPPED *overlapped;

#if STEP >= 3
    /* TODO BATCH: one call takes one packet. */
#endif
    narrate(0, "GetQueuedCompletionStatus", "wait for a packet");
#if STEP < 5
    if (!GetQueuedCompletionStatus(completion_port, &bytes, &key, &overlapped, INFINITE))
#else
    /* Step 5: three outcomes: an operation succeeded; it failed (FALSE, but with an OVERLAPPED);
     * the call itself failed, and no packet was taken (FALSE and NULL). */
    BOOL succeeded =
        GetQueuedCompletionStatus(completion_port, &bytes, &key, &overlapped, INFINITE);
    if (!succeeded && overlapped == NULL)
#endif
        fail((int)GetLastError(), "GetQueuedCompletionStatus");
#if STEP < 5
    narrate(0, "GetQueuedCompletionStatus", "a packet: %lu bytes", bytes);
#elif STEP < 7
    narrate(0, "GetQueuedCompletionStatus", "a packet: %lu bytes%s", bytes,
#else
    narrate(0, "GetQueuedCompletionStatus", "a packet of %s%s",
            key == STOP       ? "the shutdown"
            : key == LISTENER ? "the listener"
                              : "a client",
#endif
#if STEP >= 5
            succeeded ? "" : ": the operation failed");
#endif
#if STEP >= 7
    if (key == STOP) /* Step 7: this worker ends */
        return false;
#endif
#if STEP < 2
    struct client *client = CONTAINING_RECORD(overlapped, struct client, overlapped);
#elif STEP < 5
    serve_client(CONTAINING_RECORD(overlapped, struct client, overlapped), bytes);
#else
    serve_client(CONTAINING_RECORD(overlapped, struct client, overlapped));
#endif
#if STEP < 2
    if (bytes == 0) /* the client has sent all it wanted, and all of it is echoed */
        return false;
    if (send(client->socket, client->buffer, (int)bytes, 0) == SOCKET_ERROR)
        fail(WSAGetLastError(), "send");
    receive(client);
#endif
    return true;
}

#if STEP >= 4
/* Step 4: the socket takes over the listener's settings, and can be used from then on. */
static void accept_client(struct client *client)
{
    client->number = (int)InterlockedIncrement(&clients_served);
    narrate(client->number, "AcceptEx", "a new client");
    if (setsockopt(client->socket, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (const char *)&listener,
#endif
#if STEP == 4
                   sizeof listener) == SOCKET_ERROR)
        fail(WSAGetLastError(), "SO_UPDATE_ACCEPT_CONTEXT");
#elif STEP >= 5
                   sizeof listener) == SOCKET_ERROR) { /* that client has already gone */
        narrate_failure(client->number, "SO_UPDATE_ACCEPT_CONTEXT", WSAGetLastError());
        close_client(client);
        return;
    }
#endif
#if STEP >= 4 && STEP < 7
    if (CreateIoCompletionPort((HANDLE)client->socket, completion_port, 0, 0) == NULL)
        fail((int)GetLastError(), "CreateIoCompletionPort for a socket");
#elif STEP >= 7
    associate(client->socket, CLIENT);
#endif
#if STEP >= 6
    if (!SetFileCompletionNotificationModes((HANDLE)client->socket,
                                            FILE_SKIP_COMPLETION_PORT_ON_SUCCESS))
        fail((int)GetLastError(), "SetFileCompletionNotificationModes");
#endif
#if STEP >= 4
    receive(client);
}

#endif
#if STEP >= 3
/* Step 2: continues with a client whose operation has completed. All bytes received are sent back
 * before more are received, so a client that never reads costs exactly one buffer. */
#endif
#if STEP >= 5
static void serve_client(struct client *client)
{
    DWORD bytes;

#elif STEP >= 2
static void serve_client(struct client *client, DWORD bytes)
{
#endif
#if STEP >= 4
    if (client->state == ACCEPTING)
#endif
#if STEP >= 4 && STEP < 6
        begin_accept(); /* the next one */
#elif STEP >= 6
        InterlockedDecrement(&accepts_pending);
#endif
#if STEP >= 2 && STEP < 5
    if (client->state == SENDING)
#elif STEP >= 5
    bool succeeded = operation_result(client, &bytes);
    if (succeeded && client->state == SENDING)
#endif
#if STEP >= 2 && STEP < 6
        client->sent += (int)bytes;
#elif STEP >= 6
        send_completed(client, bytes);
#endif
#if STEP == 4
    if (client->state == ACCEPTING)
#elif STEP >= 5 && STEP < 8
    if (!succeeded)
#elif STEP >= 8
    if (!succeeded || stopping)
#endif
#if STEP >= 5
        close_client(client);
    else if (client->state == ACCEPTING)
#endif
#if STEP >= 4
        accept_client(client);
#endif
#if STEP >= 2 && STEP < 4
    if (client->state == SENDING)
#elif STEP >= 4
    else if (client->state == SENDING)
#endif
#if STEP >= 2
        send_rest(client);
    else
        receive_completed(client, bytes);
#endif
#if STEP >= 6
    start_accepting(); /* a client was accepted, or has left */
#endif
#if STEP >= 2
}

#endif
#if STEP >= 3
/* The receive begins before there is anything to receive. When WSARecv returns, another worker may
 * have taken the packet already, and freed the client: from then on, use only its number. */
#endif
static void receive(struct client *client)
{
    WSABUF space = {BUFFER_SIZE, client->buffer}; /* the whole buffer, each time */
    DWORD flags = 0;
#if STEP >= 2
    int number = client->number;
#endif
#if STEP < 2
    int result = WSARecv(client->socket, &space, 1, NULL, &flags, &client->overlapped, NULL);
#else
    client->state = RECEIVING;
    int result = WSARecv(client->socket, &space, 1, NULL, &flags, fresh_overlapped(client), NULL);
#endif
#if STEP >= 2 && STEP < 5
    check_outcome(number, "WSARecv", result);
#elif STEP >= 5
    enum outcome outcome = check_outcome(number, "WSARecv", result);
    if (outcome == FAILED)
        close_client(client);
#endif
#if STEP >= 6
    else if (outcome == DONE && /* Step 6: its turn comes after the queued packets */
#endif
#if STEP == 6
             !PostQueuedCompletionStatus(completion_port, 0, 0, &client->overlapped))
#elif STEP >= 7
             !PostQueuedCompletionStatus(completion_port, 0, CLIENT, &client->overlapped))
#endif
#if STEP >= 6
        fail((int)GetLastError(), "PostQueuedCompletionStatus");
#endif
#if STEP >= 2
}

static void receive_completed(struct client *client, DWORD bytes)
{
    if (bytes == 0) { /* the client has sent all it wanted, and all of it is echoed */
        shutdown(client->socket, SD_SEND);
#endif
#if STEP >= 3
        close_client(client);
#endif
#if STEP >= 2
        return;
    }
    client->received = (int)bytes;
    client->sent = 0;
    send_rest(client);
}

#endif
#if STEP >= 6
/* Step 6: send until all is sent, or until a send is pending. */
#endif
#if STEP >= 2
static void send_rest(struct client *client)
{
    int number = client->number;
    client->state = SENDING;
#endif
#if STEP >= 2 && STEP < 6
    if (client->sent < client->received) {
#elif STEP >= 6
    while (client->sent < client->received) {
#endif
#if STEP >= 2
        WSABUF rest = {(ULONG)(client->received - client->sent), client->buffer + client->sent};
        int result = WSASend(client->socket, &rest, 1, NULL, 0, fresh_overlapped(client), NULL);
#endif
#if STEP >= 2 && STEP < 5
        check_outcome(number, "WSASend", result);
        return;
#elif STEP == 5
        if (check_outcome(number, "WSASend", result) == FAILED)
            close_client(client);
        return;
#elif STEP >= 6
        enum outcome outcome = check_outcome(number, "WSASend", result);
        DWORD bytes;
        if (outcome == PENDING)
            return;
        if (outcome == FAILED || !operation_result(client, &bytes)) {
            close_client(client);
            return;
        }
        send_completed(client, bytes);
#endif
#if STEP >= 2
    }
    receive(client);
}

#endif
#if STEP >= 6
static void send_completed(struct client *client, DWORD bytes)
{
    /* TODO COUNT: here are this client's own bytes. */
    client->sent += (int)bytes;
#endif
#if STEP >= 7
    InterlockedExchangeAdd64(&bytes_echoed, bytes);
#endif
#if STEP >= 6
}

#endif
#if STEP >= 5
/* Step 5: how did the operation end? Returns false if it failed. The packet says so as well, but
 * without Winsock's error codes. */
static bool operation_result(struct client *client, DWORD *bytes)
{
    SOCKET socket = client->state == ACCEPTING ? listener : client->socket;
    DWORD flags; /* required by the call, not used here */
    BOOL succeeded = WSAGetOverlappedResult(socket, &client->overlapped, bytes, FALSE, &flags);
    int error = WSAGetLastError();

#endif
#if STEP >= 7
    InterlockedDecrement(&operations_pending);
#endif
#if STEP >= 5
    if (!succeeded)
        narrate_failure(client->number, "WSAGetOverlappedResult", error);
    else if (client->state != ACCEPTING)
        narrate(client->number, "WSAGetOverlappedResult", "%lu bytes %s", *bytes,
                client->state == SENDING ? "sent" : "received");
    return succeeded;
}

#endif
#if STEP >= 6
/* Step 6: WSARecv and WSASend have three outcomes.
 *   0               completed immediately; no packet is queued: accept_client asked for that
 *   WSA_IO_PENDING  in progress; a packet will be queued
 *   another error   failed: nothing is in progress, and no packet will be queued */
#endif
#if STEP >= 2 && STEP < 5
static void check_outcome(int number, const char *call, int result)
{
#elif STEP >= 5
static enum outcome check_outcome(int number, const char *call, int result)
{
#endif
    int error = result == 0 ? 0 : WSAGetLastError();
#if STEP < 5
    if (error != 0 && error != WSA_IO_PENDING)
#endif
#if STEP < 2
        fail(error, "WSARecv");
    narrate(client->number, "WSARecv", error == 0 ? "completed" : "pending (WSA_IO_PENDING)");
#elif STEP < 5
        fail(error, "%s", call);
#else
    if (error != 0 && error != WSA_IO_PENDING) {
#endif
#if STEP >= 7
        InterlockedDecrement(&operations_pending);
#endif
#if STEP >= 5
        narrate_failure(number, call, error);
        return FAILED;
    }
#endif
#if STEP >= 2
    narrate(number, call, error == 0 ? "completed" : "pending (WSA_IO_PENDING)");
#endif
#if STEP >= 5
    return error == 0 ? DONE : PENDING;
#endif
}
#if STEP >= 2

#endif
#if STEP >= 8
/* Step 8: every client has an operation in progress, or a packet in the queue, and its memory
 * belongs to the system until the operation has completed. So it is cancelled, and its packet
 * closes the client. The workers have ended: only this thread takes packets now. */
#endif
#if STEP >= 7
static void stop_serving(void)
{
#endif
#if STEP >= 8
    stopping = true;
    narrate(0, "CancelIoEx", "%ld operations in progress: cancelled (WSA_OPERATION_ABORTED)",
            operations_pending);
    pause_narration(); /* leave this out to see each of them end */
    for (struct client *client = clients; client != NULL; client = client->next) {
        SOCKET socket = client->state == ACCEPTING ? listener : client->socket;
        if (!CancelIoEx((HANDLE)socket, &client->overlapped) &&
            GetLastError() != ERROR_NOT_FOUND) /* not found: its packet is in the queue already */
            fail((int)GetLastError(), "CancelIoEx of client %d", client->number);
    }
    while (clients != NULL)
        take_packet();
    resume_narration();
    closesocket(listener);
    narrate(0, "closesocket", "all clients are closed");
    CloseHandle(completion_port);
#endif
#if STEP >= 7
    print_summary((int)clients_served, bytes_echoed, (int)operations_pending);
}

/* Step 7: Ctrl+C becomes packets at the same port, one for each worker. */
static void request_stop(void)
{
    for (int i = 0; i < worker_count; i++)
        PostQueuedCompletionStatus(completion_port, 0, STOP, NULL);
}

#endif
#if STEP >= 4
/* Step 4: AcceptEx is not in ws2_32: the socket's provider knows its address. */
static void find_accept_ex(void)
{
    GUID guid = WSAID_ACCEPTEX;
    DWORD bytes;
    if (WSAIoctl(listener, SIO_GET_EXTENSION_FUNCTION_POINTER, &guid, sizeof guid, &accept_ex,
                 sizeof accept_ex, &bytes, NULL, NULL) == SOCKET_ERROR)
        fail(WSAGetLastError(), "find AcceptEx");
}

#endif
#if STEP >= 3
/* Each operation begins with a fresh OVERLAPPED. It needs no event: a packet is queued. */
#endif
#if STEP >= 2
static WSAOVERLAPPED *fresh_overlapped(struct client *client)
{
    memset(&client->overlapped, 0, sizeof client->overlapped);
#endif
#if STEP >= 7
    InterlockedIncrement(&operations_pending);
#endif
#if STEP >= 2
    return &client->overlapped;
}
#endif
#if STEP >= 3

#endif
#if STEP >= 8
static void add_client(struct client *client)
{
    AcquireSRWLockExclusive(&clients_lock);
    client->next = clients;
    if (clients != NULL)
        clients->previous = client;
    clients = client;
    ReleaseSRWLockExclusive(&clients_lock);
}

static void remove_client(struct client *client)
{
    AcquireSRWLockExclusive(&clients_lock);
    if (client->next != NULL)
        client->next->previous = client->previous;
    if (client->previous != NULL)
        client->previous->next = client->next;
    else
        clients = client->next;
    ReleaseSRWLockExclusive(&clients_lock);
}

/* Only for a client without an operation in progress: with one, its memory is still in use. */
#endif
#if STEP >= 3
static void close_client(struct client *client)
{
    closesocket(client->socket);
#endif
#if STEP >= 8
    remove_client(client);
#endif
#if STEP >= 3
    narrate(client->number, "closesocket", "closed");
    free(client);
}
#endif
