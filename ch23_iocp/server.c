/*
 * Chapter 23: I/O completion ports - the echo server.
 *
 * The program lends the system a buffer with WSARecv or WSASend, which return immediately. The
 * system transfers the bytes, and queues a packet at a completion port when that is done; each of
 * several threads takes one packet after another.
 *
 *   cl  /std:c11 server.c ..\common\*.c
 *   gcc -std=c11 server.c ..\common\*.c -o server.exe -lws2_32
 *
 * Left simple on purpose: when memory runs out, the server ends; a shutdown drops what is still on
 * its way; and it does not support sockets of a layered provider (an old kind of filter), for which
 * no packet can be skipped, because their handles are not handles of the system.
 */
#include "../common/common.h"

#include <mswsock.h> /* AcceptEx */
#include <stdlib.h>

enum { BUFFER_SIZE = 128 * 1024 }; /* an experiment: make it 5 and count the WSARecv calls */
enum { ACCEPTS = 64 };             /* in progress at a time; under load their packets queue */
enum { MOST_WORKERS = 64 };
enum { ADDRESS_SIZE = sizeof(struct sockaddr_storage) + 16 }; /* AcceptEx wants 16 more */

/* What a packet is about: the key that was given to the port together with the socket. */
enum key { STOP, LISTENER, CLIENT };

enum state { ACCEPTING, RECEIVING, SENDING };

/* How a call of WSARecv or WSASend turned out: see check_outcome. */
enum outcome { DONE, PENDING, FAILED };

/* While the operation is in progress, overlapped and buffer belong to the system. After that, the
 * client belongs to the thread that took the packet, until this thread begins the next operation.
 * A client never has two operations in progress, so two threads never touch it at the same time:
 * it needs no lock. */
struct client {
    SOCKET socket;
    int number;
    enum state state;
    WSAOVERLAPPED overlapped; /* of the one operation in progress */
    int received;             /* bytes in buffer */
    int sent;                 /* how many of them have been sent back */
    struct client *next;      /* in the list clients */
    struct client *previous;
    char buffer[BUFFER_SIZE];
    char addresses[2 * ADDRESS_SIZE]; /* AcceptEx writes both addresses here */
};

static HANDLE completion_port;
static HANDLE workers[MOST_WORKERS];
static int worker_count;

static SOCKET listener;
static int listener_family;
static LPFN_ACCEPTEX accept_ex;
static volatile LONG accepts_pending;
static bool stopping; /* no worker runs any more */

static SRWLOCK clients_lock = SRWLOCK_INIT;
static struct client *clients; /* all of them, even those still being accepted */

static volatile LONG clients_served;
static volatile LONG64 bytes_echoed;
static volatile LONG operations_pending;

/* This server understands one option that the others do not have. */
static const struct number_option options[] = {
    {.name = "--threads",
     .lowest = 1,
     .highest = MOST_WORKERS,
     .number = &worker_count,
     .help = "number of workers, 1 to 64 (default: one for each processor)"},
    {.name = NULL},
};

static void associate(SOCKET socket, ULONG_PTR key);
static void start_accepting(void);
static bool begin_accept(void);
static void start_workers(void);
static void serve_until_stopped(void);
static DWORD WINAPI work(void *nothing);
static bool take_packet(void);
static void accept_client(struct client *client);
static void serve_client(struct client *client);
static void receive(struct client *client);
static void receive_completed(struct client *client, DWORD bytes);
static void send_rest(struct client *client);
static void send_completed(struct client *client, DWORD bytes);
static bool operation_result(struct client *client, DWORD *bytes);
static enum outcome check_outcome(int number, const char *call, int result);
static void stop_serving(void);
static void request_stop(void);
static void find_accept_ex(void);
static WSAOVERLAPPED *fresh_overlapped(struct client *client);
static void add_client(struct client *client);
static void remove_client(struct client *client);
static void close_client(struct client *client);

int main(int argc, char **argv)
{
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    worker_count = (int)system.dwNumberOfProcessors; /* unless --threads says otherwise */
    struct arguments arguments = read_server_arguments_with(argc, argv, options);
    start_narration(arguments.quiet, stdout);
    start_winsock();

    /* Step 1: a completion port. The last 0: it lets one thread per processor run at a time. */
    completion_port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    if (completion_port == NULL)
        fail((int)GetLastError(), "CreateIoCompletionPort");
    call_on_ctrl_c(request_stop);

    struct addrinfo *address = find_addresses(arguments.host, arguments.port);
    listener_family = address->ai_family;
    listener =
        WSASocketW(address->ai_family, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (listener == INVALID_SOCKET)
        fail(WSAGetLastError(), "WSASocket");
    listen_at(listener, address);
    freeaddrinfo(address);
    narrate(0, "listen", "%d workers", worker_count);

    find_accept_ex();
    associate(listener, LISTENER);
    start_accepting();
    start_workers();
    serve_until_stopped();
    stop_serving();

    stop_winsock();
    return 0;
}

/* Step 7: from now on the packets of the socket's operations go to the port, with this key. */
static void associate(SOCKET socket, ULONG_PTR key)
{
    if (CreateIoCompletionPort((HANDLE)socket, completion_port, key, 0) == NULL)
        fail((int)GetLastError(), "CreateIoCompletionPort for a socket");
    narrate(0, "CreateIoCompletionPort", "a socket, with the key %s",
            key == LISTENER ? "LISTENER" : "CLIENT");
}

/* Step 6: several accepts are in progress, because clients may connect at the same time. */
static void start_accepting(void)
{
    int begun = 0;
    while (!stopping && accepts_pending < ACCEPTS && begin_accept())
        begun++;
    if (begun > 0)
        narrate(0, "AcceptEx", "%d begun, %ld in progress", begun, accepts_pending);
    if (!stopping && clients == NULL)
        fail(0, "not one client can be accepted");
}

/* Step 4: AcceptEx begins an accept, into a socket that exists already. With length 0 it does not
 * wait for the client's first bytes. Returns false if no accept could begin. */
static bool begin_accept(void)
{
    SOCKET accepted =
        WSASocketW(listener_family, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (accepted == INVALID_SOCKET) {
        narrate_failure(0, "WSASocket", WSAGetLastError());
        return false;
    }
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a client");
    client->socket = accepted;
    client->state = ACCEPTING;
    add_client(client);

    DWORD bytes;
    InterlockedIncrement(&accepts_pending);
    BOOL done = accept_ex(listener, accepted, client->addresses, 0, ADDRESS_SIZE, ADDRESS_SIZE,
                          &bytes, fresh_overlapped(client));
    int error = done ? 0 : WSAGetLastError();
    if (error != 0 && error != WSA_IO_PENDING) {
        InterlockedDecrement(&accepts_pending);
        InterlockedDecrement(&operations_pending);
        narrate_failure(0, "AcceptEx", error);
        close_client(client);
        return error == WSAECONNRESET; /* that client has already gone: begin the next one */
    }
    return true; /* a packet will be queued, even if the accept has completed already */
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

/* The workers do all the work; this thread waits until each of them has taken its STOP packet. */
static void serve_until_stopped(void)
{
    for (int i = 0; i < worker_count; i++) {
        WaitForSingleObject(workers[i], INFINITE);
        CloseHandle(workers[i]);
    }
}

static DWORD WINAPI work(void *nothing)
{
    (void)nothing;
    while (take_packet())
        continue;
    return 0;
}

/* Step 1: the next packet. Its OVERLAPPED is a member of a client, so it leads to that client. */
static bool take_packet(void)
{
    DWORD bytes;
    ULONG_PTR key;
    OVERLAPPED *overlapped;

    /* TODO BATCH: one call takes one packet. */
    narrate(0, "GetQueuedCompletionStatus", "wait for a packet");
    /* Step 5: three outcomes: an operation succeeded; it failed (FALSE, but with an OVERLAPPED);
     * the call itself failed, and no packet was taken (FALSE and NULL). */
    BOOL succeeded =
        GetQueuedCompletionStatus(completion_port, &bytes, &key, &overlapped, INFINITE);
    if (!succeeded && overlapped == NULL)
        fail((int)GetLastError(), "GetQueuedCompletionStatus");
    narrate(0, "GetQueuedCompletionStatus", "a packet of %s%s",
            key == STOP       ? "the shutdown"
            : key == LISTENER ? "the listener"
                              : "a client",
            succeeded ? "" : ": the operation failed");
    if (key == STOP) /* Step 7: this worker ends */
        return false;
    serve_client(CONTAINING_RECORD(overlapped, struct client, overlapped));
    return true;
}

/* Step 4: the socket takes over the listener's settings, and can be used from then on. */
static void accept_client(struct client *client)
{
    client->number = (int)InterlockedIncrement(&clients_served);
    narrate(client->number, "AcceptEx", "a new client");
    if (setsockopt(client->socket, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (const char *)&listener,
                   sizeof listener) == SOCKET_ERROR) { /* that client has already gone */
        narrate_failure(client->number, "SO_UPDATE_ACCEPT_CONTEXT", WSAGetLastError());
        close_client(client);
        return;
    }
    associate(client->socket, CLIENT);
    if (!SetFileCompletionNotificationModes((HANDLE)client->socket,
                                            FILE_SKIP_COMPLETION_PORT_ON_SUCCESS))
        fail((int)GetLastError(), "SetFileCompletionNotificationModes");
    receive(client);
}

/* Step 2: continues with a client whose operation has completed. All bytes received are sent back
 * before more are received, so a client that never reads costs exactly one buffer. */
static void serve_client(struct client *client)
{
    DWORD bytes;

    if (client->state == ACCEPTING)
        InterlockedDecrement(&accepts_pending);
    bool succeeded = operation_result(client, &bytes);
    if (succeeded && client->state == SENDING)
        send_completed(client, bytes);
    if (!succeeded || stopping)
        close_client(client);
    else if (client->state == ACCEPTING)
        accept_client(client);
    else if (client->state == SENDING)
        send_rest(client);
    else
        receive_completed(client, bytes);
    start_accepting(); /* a client was accepted, or has left */
}

/* The receive begins before there is anything to receive. When WSARecv returns, another worker may
 * have taken the packet already, and freed the client: from then on, use only its number. */
static void receive(struct client *client)
{
    WSABUF space = {BUFFER_SIZE, client->buffer}; /* the whole buffer, each time */
    DWORD flags = 0;
    int number = client->number;
    client->state = RECEIVING;
    int result = WSARecv(client->socket, &space, 1, NULL, &flags, fresh_overlapped(client), NULL);
    enum outcome outcome = check_outcome(number, "WSARecv", result);
    if (outcome == FAILED)
        close_client(client);
    else if (outcome == DONE && /* Step 6: its turn comes after the queued packets */
             !PostQueuedCompletionStatus(completion_port, 0, CLIENT, &client->overlapped))
        fail((int)GetLastError(), "PostQueuedCompletionStatus");
}

static void receive_completed(struct client *client, DWORD bytes)
{
    if (bytes == 0) { /* the client has sent all it wanted, and all of it is echoed */
        shutdown(client->socket, SD_SEND);
        close_client(client);
        return;
    }
    client->received = (int)bytes;
    client->sent = 0;
    send_rest(client);
}

/* Step 6: send until all is sent, or until a send is pending. */
static void send_rest(struct client *client)
{
    int number = client->number;
    client->state = SENDING;
    while (client->sent < client->received) {
        WSABUF rest = {(ULONG)(client->received - client->sent), client->buffer + client->sent};
        int result = WSASend(client->socket, &rest, 1, NULL, 0, fresh_overlapped(client), NULL);
        enum outcome outcome = check_outcome(number, "WSASend", result);
        DWORD bytes;
        if (outcome == PENDING)
            return;
        if (outcome == FAILED || !operation_result(client, &bytes)) {
            close_client(client);
            return;
        }
        send_completed(client, bytes);
    }
    receive(client);
}

static void send_completed(struct client *client, DWORD bytes)
{
    /* TODO COUNT: here are this client's own bytes. */
    client->sent += (int)bytes;
    InterlockedExchangeAdd64(&bytes_echoed, bytes);
}

/* Step 5: how did the operation end? Returns false if it failed. The packet says so as well, but
 * without Winsock's error codes. */
static bool operation_result(struct client *client, DWORD *bytes)
{
    SOCKET socket = client->state == ACCEPTING ? listener : client->socket;
    DWORD flags; /* required by the call, not used here */
    BOOL succeeded = WSAGetOverlappedResult(socket, &client->overlapped, bytes, FALSE, &flags);
    int error = WSAGetLastError();

    InterlockedDecrement(&operations_pending);
    if (!succeeded)
        narrate_failure(client->number, "WSAGetOverlappedResult", error);
    else if (client->state != ACCEPTING)
        narrate(client->number, "WSAGetOverlappedResult", "%lu bytes %s", *bytes,
                client->state == SENDING ? "sent" : "received");
    return succeeded;
}

/* Step 6: WSARecv and WSASend have three outcomes.
 *   0               completed immediately; no packet is queued: accept_client asked for that
 *   WSA_IO_PENDING  in progress; a packet will be queued
 *   another error   failed: nothing is in progress, and no packet will be queued */
static enum outcome check_outcome(int number, const char *call, int result)
{
    int error = result == 0 ? 0 : WSAGetLastError();
    if (error != 0 && error != WSA_IO_PENDING) {
        InterlockedDecrement(&operations_pending);
        narrate_failure(number, call, error);
        return FAILED;
    }
    narrate(number, call, error == 0 ? "completed" : "pending (WSA_IO_PENDING)");
    return error == 0 ? DONE : PENDING;
}

/* Step 8: every client has an operation in progress, or a packet in the queue, and its memory
 * belongs to the system until the operation has completed. So it is cancelled, and its packet
 * closes the client. The workers have ended: only this thread takes packets now. */
static void stop_serving(void)
{
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
    print_summary((int)clients_served, bytes_echoed, (int)operations_pending);
}

/* Step 7: Ctrl+C becomes packets at the same port, one for each worker. */
static void request_stop(void)
{
    for (int i = 0; i < worker_count; i++)
        PostQueuedCompletionStatus(completion_port, 0, STOP, NULL);
}

/* Step 4: AcceptEx is not in ws2_32: the socket's provider knows its address. */
static void find_accept_ex(void)
{
    GUID guid = WSAID_ACCEPTEX;
    DWORD bytes;
    if (WSAIoctl(listener, SIO_GET_EXTENSION_FUNCTION_POINTER, &guid, sizeof guid, &accept_ex,
                 sizeof accept_ex, &bytes, NULL, NULL) == SOCKET_ERROR)
        fail(WSAGetLastError(), "find AcceptEx");
}

/* Each operation begins with a fresh OVERLAPPED. It needs no event: a packet is queued. */
static WSAOVERLAPPED *fresh_overlapped(struct client *client)
{
    memset(&client->overlapped, 0, sizeof client->overlapped);
    InterlockedIncrement(&operations_pending);
    return &client->overlapped;
}

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
static void close_client(struct client *client)
{
    closesocket(client->socket);
    remove_client(client);
    narrate(client->number, "closesocket", "closed");
    free(client);
}
