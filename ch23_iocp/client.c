/*
 * Chapter 23: I/O completion ports - the client.
 *
 * The conversation: one thread has a send and a receive in progress at the same time, and does
 * other work until the packet of one of them is queued at a port.
 * The load (--connections N): the same thread and the same port carry thousands of connections.
 *
 *   cl  /std:c11 client.c ..\common\*.c
 *   gcc -std=c11 client.c ..\common\*.c -o client.exe -lws2_32
 *
 * Left simple on purpose: one line at a time is on its way to the server.
 */
#include "../common/common.h"

#include <mswsock.h> /* ConnectEx */
#include <stdlib.h>

enum { BUFFER_SIZE = 64 * 1024 };

static HANDLE completion_port;
static char server[ADDRESS_TEXT_SIZE];

/* ---- The conversation ---------------------------------------------------------------------- */

/* What a packet is about: an operation of the connection, or a typed line. */
enum key { CONNECTION, LINE };

static SOCKET connection;

/* While an operation is in progress, its OVERLAPPED and its buffer belong to the system. */
static WSAOVERLAPPED send_overlapped;
static WSAOVERLAPPED receive_overlapped;
static char buffer[BUFFER_SIZE];
static bool open; /* the server has not closed */

static struct input input;
static bool sending;     /* the line in input is on its way */
static int line_sent;    /* bytes of the line that are sent */
static bool input_ended; /* nothing more will be sent */

static long long sent; /* bytes in all */
static long long received;

/* The other work: looking for prime numbers. */
enum { NUMBERS = 1000000, NUMBERS_AT_A_TIME = 100 };
static int numbers_tested;
static int tested_during_both; /* of them: while a send and a receive were in progress */
static int primes_found;
static int numbers_told_of; /* in the narration */

/* The thread that reads standard input calls this when a line is there: any program may queue
 * packets of its own. */
static void line_ready(void)
{
    if (!PostQueuedCompletionStatus(completion_port, 0, LINE, NULL))
        fail((int)GetLastError(), "PostQueuedCompletionStatus");
}

/* Step 23-13: an overlapped socket. Tries one address after the other: localhost is ::1 as well
 * as 127.0.0.1. This connect waits; chapter 21 has one that does not. */
static void connect_to_server(const struct addrinfo *address)
{
    for (; address != NULL; address = address->ai_next) {
        address_text(address->ai_addr, (int)address->ai_addrlen, server);
        connection =
            WSASocketW(address->ai_family, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
        if (connection != INVALID_SOCKET &&
            connect(connection, address->ai_addr, (int)address->ai_addrlen) == 0)
            break;
        int error = WSAGetLastError();
        narrate_failure(0, "connect", error);
        if (connection != INVALID_SOCKET)
            closesocket(connection);
        if (address->ai_next == NULL)
            fail(error, "connect %s", server);
    }
    narrate(0, "connect", "connected to %s", server);
    open = true;

    /* The system would copy a line into a buffer of its own, and call that done. Without such a
     * buffer the send lasts as long as the transfer: here that is what there is to see. */
    const int no_buffer = 0;
    if (setsockopt(connection, SOL_SOCKET, SO_SNDBUF, (const char *)&no_buffer, sizeof no_buffer))
        fail(WSAGetLastError(), "setsockopt SO_SNDBUF");

    /* The packets of its operations come to the port, with this key. */
    if (CreateIoCompletionPort((HANDLE)connection, completion_port, CONNECTION, 0) == NULL)
        fail((int)GetLastError(), "CreateIoCompletionPort for the connection");
}

/* Each operation begins with a fresh OVERLAPPED. It needs no event: a packet is queued. */
static WSAOVERLAPPED *fresh_overlapped(WSAOVERLAPPED *overlapped)
{
    memset(overlapped, 0, sizeof *overlapped);
    return overlapped;
}

/* The three outcomes: done at once (0), in progress (WSA_IO_PENDING), failed. In the first two a
 * packet is or will be queued. */
static void check_outcome(const char *call, const char *tried, int result)
{
    int error = result == 0 ? 0 : WSAGetLastError();
    if (error != 0 && error != WSA_IO_PENDING)
        fail(error, "%s %s", tried, server);
    narrate(0, call, error == 0 ? "done at once" : "pending (WSA_IO_PENDING)");
}

/* Step 23-15: the send begins; the line must not change until it is done. */
static void send_rest(void)
{
    WSABUF rest = {(ULONG)(input.length - line_sent), input.line + line_sent};
    int result = WSASend(connection, &rest, 1, NULL, 0, fresh_overlapped(&send_overlapped), NULL);
    check_outcome("WSASend", "send to", result);
}

static void narrate_work(void)
{
    if (numbers_tested > numbers_told_of)
        narrate(0, "work", "%d numbers tested meanwhile", numbers_tested - numbers_told_of);
    numbers_told_of = numbers_tested;
}

static void send_line(void)
{
    if (input.length == 0) { /* the server sees the end, and echoes what it still has */
        input_ended = true;
        if (shutdown(connection, SD_SEND) == SOCKET_ERROR)
            fail(WSAGetLastError(), "shutdown %s", server);
        narrate(0, "shutdown", "SD_SEND: nothing more to send");
        return;
    }
    sending = true;
    line_sent = 0;
    send_rest();
}

/* Step 23-14: the receive begins before there is anything to receive, and stays in progress while
 * lines are sent. */
static void receive(void)
{
    WSABUF space = {BUFFER_SIZE, buffer};
    DWORD flags = 0;
    int result =
        WSARecv(connection, &space, 1, NULL, &flags, fresh_overlapped(&receive_overlapped), NULL);
    check_outcome("WSARecv", "receive from", result);
}

static void prompt_if_all_is_back(void)
{
    if (received == sent && !sending && !input_ended)
        show_prompt();
}

/* How did the operation end? The packet tells it, too, but not with Winsock's errors. */
static DWORD operation_result(WSAOVERLAPPED *overlapped, const char *tried)
{
    DWORD bytes;
    DWORD flags; /* the call writes it, whether somebody wants it or not */

    if (!WSAGetOverlappedResult(connection, overlapped, &bytes, FALSE, &flags))
        fail(WSAGetLastError(), "%s %s", tried, server);
    narrate(0, "WSAGetOverlappedResult", "%lu bytes %s", bytes,
            overlapped == &send_overlapped ? "sent" : "received");
    return bytes;
}

static void send_completed(DWORD bytes)
{
    line_sent += (int)bytes;
    sent += bytes;
    if (line_sent < input.length) {
        send_rest();
        return;
    }
    sending = false;
    next_line(&input);
    prompt_if_all_is_back(); /* the echo may be here before the send is known to be done */
}

static void receive_completed(DWORD bytes)
{
    if (bytes == 0) {
        open = false;
        return;
    }
    received += bytes;
    print_echo(buffer, (int)bytes);
    prompt_if_all_is_back();
    receive();
}

static bool is_prime(int number)
{
    for (int divisor = 2; divisor <= number / divisor; divisor++)
        if (number % divisor == 0)
            return false;
    return number >= 2;
}

static void work(void)
{
    if (!HasOverlappedIoCompleted(&send_overlapped) &&
        !HasOverlappedIoCompleted(&receive_overlapped))
        tested_during_both += NUMBERS_AT_A_TIME;
    for (int i = 0; i < NUMBERS_AT_A_TIME; i++)
        primes_found += is_prime(++numbers_tested);
}

/* Step 23-16: while an echo is on its way the thread works, and only looks for packets in between.
 * With nothing to do, it waits for them. Returns the OVERLAPPED of the packet, NULL: a line. */
static OVERLAPPED *work_until_packet(void)
{
    for (;;) {
        bool busy = (sending || received < sent) && numbers_tested < NUMBERS;
        DWORD bytes;
        ULONG_PTR key;
        OVERLAPPED *overlapped;

        if (busy)
            work();
        if (GetQueuedCompletionStatus(completion_port, &bytes, &key, &overlapped,
                                      busy ? 0 : INFINITE) ||
            overlapped != NULL) { /* FALSE with an OVERLAPPED: the operation failed */
            narrate_work();
            narrate(0, "GetQueuedCompletionStatus", "a packet of %s",
                    key == LINE ? "the keyboard" : "the connection");
            return overlapped;
        }
        if (GetLastError() != WAIT_TIMEOUT)
            fail((int)GetLastError(), "GetQueuedCompletionStatus");
    }
}

static void converse(void)
{
    while (open) {
        OVERLAPPED *overlapped = work_until_packet();
        if (overlapped == NULL)
            send_line();
        else if (overlapped == &send_overlapped)
            send_completed(operation_result(&send_overlapped, "send to"));
        else
            receive_completed(operation_result(&receive_overlapped, "receive from"));
    }
    /* With a send still in progress it ends here, too: so nothing is freed that it uses. */
    if (!input_ended || received != sent)
        fail(0, "receive from %s: the server closed the connection, %lld of %lld bytes came back",
             server, received, sent);
}

static void run_conversation(const struct addrinfo *addresses)
{
    connect_to_server(addresses);
    receive();
    start_input(&input, line_ready);
    show_prompt();
    converse();

    closesocket(connection);
    narrate(0, "work", "%d numbers tested, %d while send and receive were in progress, %d primes",
            numbers_tested, tested_during_both, primes_found);
    narrate(0, "closesocket", "%lld bytes sent, %lld bytes came back", sent, received);
}

/* ---- The load ------------------------------------------------------------------------------ */

enum {
    CONNECTS = 100,        /* in progress at a time: a listener's backlog is not endless */
    PACKETS = 64,          /* taken at a time */
    CONNECTED_WITHIN = 30, /* seconds */
    LAST_ECHOES_WITHIN = 5 /* seconds after the last message began */
};

/* One connection of many. Its address is the key of its packets: so a packet leads straight to it.
 * The key 0 is left for Ctrl+C. */
struct link {
    SOCKET socket;
    int number;
    enum { UNUSED, CONNECTING, CONNECTED, CLOSED } state;
    const struct addrinfo *address;
    WSAOVERLAPPED send_overlapped; /* of the connect, too */
    WSAOVERLAPPED receive_overlapped;
    bool sending;
    bool shut_down; /* no more messages */
    int messages_begun;
    int messages_back;
    long long begun_at[MAX_DEPTH]; /* microseconds, of the messages on their way */
    long long sent;                /* bytes */
    long long received;
    char *buffer;
};

static struct arguments load;
static struct load_result result;
static struct link *links;
static int buffer_size;
static int connects_begun;
static int connects_pending;
static int links_open;
static int operations_pending;
static const struct addrinfo *server_address;
static LPFN_CONNECTEX connect_ex;
static char first_loss[ADDRESS_TEXT_SIZE + ERROR_TEXT_SIZE + 40];
static bool no_more_messages; /* the time is up */
static bool interrupted;      /* by Ctrl+C */

static void request_stop(void)
{
    PostQueuedCompletionStatus(completion_port, 0, 0, NULL);
}

static void close_link(struct link *link)
{
    if (link->state == CONNECTED) {
        links_open--;
        narrate(link->number, "closesocket", "%lld bytes sent, %lld bytes came back", link->sent,
                link->received);
    }
    /* What is still in progress is cancelled by this; each of them queues its packet. */
    closesocket(link->socket);
    link->state = CLOSED;
}

/* One lost connection is counted, and the others go on. */
static void lose(struct link *link, const char *what, int error)
{
    char address[ADDRESS_TEXT_SIZE];
    char text[ERROR_TEXT_SIZE];
    char loss[sizeof first_loss];
    snprintf(loss, sizeof loss, "%s %s%s%s", what,
             address_text(link->address->ai_addr, (int)link->address->ai_addrlen, address),
             error == 0 ? "" : ": ", error == 0 ? "" : error_text(error, text));
    narrate(link->number, "lost", "%s", loss);
    if (result.lost++ == 0)
        memcpy(first_loss, loss, sizeof loss);
    close_link(link);
}

/* ConnectEx is not in the import library: the socket's provider tells where it is. */
static void find_connect_ex(SOCKET socket)
{
    GUID guid = WSAID_CONNECTEX;
    DWORD bytes;
    if (WSAIoctl(socket, SIO_GET_EXTENSION_FUNCTION_POINTER, &guid, sizeof guid, &connect_ex,
                 sizeof connect_ex, &bytes, NULL, NULL) == SOCKET_ERROR)
        fail(WSAGetLastError(), "find ConnectEx");
}

static bool prepare_socket(struct link *link)
{
    const struct addrinfo *address = link->address;
    struct sockaddr_storage any_address = {0};
    const int on = 1;
    any_address.ss_family = (ADDRESS_FAMILY)address->ai_family;
    return bind(link->socket, (struct sockaddr *)&any_address, (int)address->ai_addrlen) == 0 &&
           setsockopt(link->socket, IPPROTO_TCP, TCP_NODELAY, (const char *)&on, sizeof on) == 0 &&
           CreateIoCompletionPort((HANDLE)link->socket, completion_port, (ULONG_PTR)link, 0) !=
               NULL;
}

static void begin_connect(struct link *link);

/* Until one has succeeded it is not known which of the addresses the server listens at: localhost
 * is ::1 as well as 127.0.0.1. */
static void connect_failed(struct link *link, int error)
{
    if (link->address == server_address && result.connections == 0 &&
        server_address->ai_next != NULL) {
        server_address = server_address->ai_next;
        connect_ex = NULL; /* another kind of address may have another one */
    }
    if (link->address == server_address) {
        lose(link, "connect", error);
        return;
    }
    close_link(link);
    begin_connect(link);
}

/* Step 23-17: ConnectEx is a connect that does not wait. It wants a socket that is bound. */
static void begin_connect(struct link *link)
{
    const struct addrinfo *address = server_address;
    link->address = address;
    link->socket =
        WSASocketW(address->ai_family, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (link->socket == INVALID_SOCKET || !prepare_socket(link)) {
        connect_failed(link, WSAGetLastError());
        return;
    }
    if (connect_ex == NULL)
        find_connect_ex(link->socket);
    if (!connect_ex(link->socket, address->ai_addr, (int)address->ai_addrlen, NULL, 0, NULL,
                    fresh_overlapped(&link->send_overlapped)) &&
        WSAGetLastError() != WSA_IO_PENDING) {
        connect_failed(link, WSAGetLastError());
        return;
    }
    link->state = CONNECTING;
    connects_pending++;
    operations_pending++;
}

static void begin_connects(void)
{
    while (connects_pending < CONNECTS && connects_begun < load.connections) {
        struct link *link = &links[connects_begun++];
        link->number = connects_begun;
        begin_connect(link);
    }
}

/* Step 23-18: only now is it a connected socket for shutdown and the like. */
static void connect_completed(struct link *link)
{
    if (setsockopt(link->socket, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0) != 0) {
        lose(link, "connect", WSAGetLastError());
        return;
    }
    link->state = CONNECTED;
    links_open++;
    result.connections++;
    narrate(link->number, "ConnectEx", "connected");
}

static void begin_receive(struct link *link)
{
    WSABUF space = {(ULONG)buffer_size, link->buffer};
    DWORD flags = 0;
    if (WSARecv(link->socket, &space, 1, NULL, &flags, fresh_overlapped(&link->receive_overlapped),
                NULL) == SOCKET_ERROR &&
        WSAGetLastError() != WSA_IO_PENDING)
        lose(link, "receive from", WSAGetLastError());
    else
        operations_pending++;
}

/* Bytes of all messages that have begun. */
static long long bytes_begun(const struct link *link)
{
    return (long long)link->messages_begun * load.size;
}

/* Step 23-20: the rest of a message, or the next message unless enough of them are on their way. */
static void begin_send(struct link *link)
{
    if (link->sent == bytes_begun(link)) {
        if (link->messages_begun == load.messages || no_more_messages) {
            link->shut_down = true;
            if (shutdown(link->socket, SD_SEND) == SOCKET_ERROR)
                lose(link, "shutdown", WSAGetLastError());
            return;
        }
        if (link->messages_begun - link->messages_back == load.depth)
            return;
        link->begun_at[link->messages_begun++ % MAX_DEPTH] = now_microseconds();
    }
    WSABUF rest = {(ULONG)(bytes_begun(link) - link->sent),
                   (char *)load_content(link->number, link->sent)};
    if (WSASend(link->socket, &rest, 1, NULL, 0, fresh_overlapped(&link->send_overlapped), NULL) ==
            SOCKET_ERROR &&
        WSAGetLastError() != WSA_IO_PENDING) {
        lose(link, "send to", WSAGetLastError());
        return;
    }
    link->sending = true;
    operations_pending++;
}

static void load_sent(struct link *link, DWORD bytes)
{
    link->sending = false;
    link->sent += bytes;
    begin_send(link);
}

/* Step 23-21: every byte must be the one that was sent. */
static void load_received(struct link *link, DWORD bytes)
{
    if (bytes == 0) { /* the server's answer to shutdown */
        if (link->shut_down && link->received == link->sent)
            close_link(link);
        else
            lose(link, "the connection was closed too early by", 0);
        return;
    }
    if (link->received + bytes > bytes_begun(link) ||
        memcmp(link->buffer, load_content(link->number, link->received), bytes) != 0) {
        lose(link, "a wrong byte came back from", 0);
        return;
    }
    link->received += bytes;
    result.bytes += bytes;
    for (; link->received / load.size > link->messages_back; link->messages_back++)
        add_latency(&result, now_microseconds() - link->begun_at[link->messages_back % MAX_DEPTH]);
    begin_receive(link);
    if (link->state == CONNECTED && !link->sending && !link->shut_down)
        begin_send(link);
}

static void operation_completed(struct link *link, OVERLAPPED *overlapped)
{
    bool is_receive = overlapped == &link->receive_overlapped;
    DWORD bytes, flags;

    operations_pending--;
    if (link->state == CONNECTING)
        connects_pending--;
    if (link->state == CLOSED) /* and what was in progress then ends now */
        return;
    if (!WSAGetOverlappedResult(link->socket, overlapped, &bytes, FALSE, &flags)) {
        if (link->state == CONNECTING)
            connect_failed(link, WSAGetLastError());
        else
            lose(link, is_receive ? "receive from" : "send to", WSAGetLastError());
    } else if (link->state == CONNECTING) {
        connect_completed(link);
    } else if (is_receive) {
        load_received(link, bytes);
    } else {
        load_sent(link, bytes);
    }
}

/* Step 23-19: one call takes many packets. It waits for the first of them, but not longer than
 * until the given moment. */
static void take_packets(long long until)
{
    OVERLAPPED_ENTRY packets[PACKETS];
    ULONG count;
    long long microseconds = until - now_microseconds();
    DWORD milliseconds = microseconds <= 0 ? 0 : (DWORD)(microseconds / 1000 + 1);

    if (!GetQueuedCompletionStatusEx(completion_port, packets, PACKETS, &count, milliseconds,
                                     FALSE)) {
        if (GetLastError() != WAIT_TIMEOUT)
            fail((int)GetLastError(), "GetQueuedCompletionStatusEx");
        return;
    }
    for (ULONG i = 0; i < count; i++) {
        if (packets[i].lpCompletionKey == 0)
            interrupted = true;
        else
            operation_completed((struct link *)packets[i].lpCompletionKey, packets[i].lpOverlapped);
    }
}

static void prepare_load(const struct addrinfo *addresses)
{
    long long enough = (long long)load.size * load.depth;
    server_address = addresses;
    buffer_size = enough < BUFFER_SIZE ? (int)enough : BUFFER_SIZE;
    make_load_content(max(load.size, buffer_size));
    links = calloc((size_t)load.connections, sizeof *links);
    char *buffers = malloc((size_t)load.connections * (size_t)buffer_size);
    if (links == NULL || buffers == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for %d connections", load.connections);
    for (int i = 0; i < load.connections; i++)
        links[i].buffer = buffers + (size_t)i * (size_t)buffer_size;
    call_on_ctrl_c(request_stop);
}

static void connect_all(void)
{
    long long until = now_microseconds() + CONNECTED_WITHIN * 1000000LL;
    do {
        begin_connects();
        if (connects_pending > 0)
            take_packets(until);
    } while (connects_pending > 0 && !interrupted && now_microseconds() < until);
    for (int i = 0; i < load.connections; i++) {
        if (links[i].state == CONNECTING && !interrupted)
            lose(&links[i], "connect", WSAETIMEDOUT);
    }
}

static void exchange_messages(void)
{
    long long start = now_microseconds();
    long long end = start + load.seconds * 1000000LL;
    long long now = start;

    for (int i = 0; i < load.connections; i++) {
        if (links[i].state == CONNECTED)
            begin_receive(&links[i]);
        if (links[i].state == CONNECTED)
            begin_send(&links[i]);
    }
    while (links_open > 0 && !interrupted && now < end + LAST_ECHOES_WITHIN * 1000000LL) {
        take_packets(start + (result.microseconds / 1000000 + 1) * 1000000); /* progress is due */
        now = now_microseconds();
        result.microseconds = now - start;
        print_load_progress(&result, links_open);
        no_more_messages = now >= end;
    }
}

/* A connection that is still open has waited in vain, or Ctrl+C ends it. Its buffer is the
 * system's until the packets of its operations have come. */
static void end_load(void)
{
    for (int i = 0; i < load.connections; i++) {
        struct link *link = &links[i];
        if (link->state != CONNECTING && link->state != CONNECTED)
            continue;
        if (interrupted)
            close_link(link);
        else
            lose(link, "no answer from", 0);
    }
    if (!interrupted)
        result.lost += load.connections - connects_begun;
    while (operations_pending > 0)
        take_packets(now_microseconds() + 1000000);
    free(links[0].buffer);
    free(links);
}

static void run_load(const struct addrinfo *addresses)
{
    prepare_load(addresses);
    connect_all();
    if (!interrupted)
        exchange_messages();
    end_load();
    print_load_result(&result);
    if (result.lost > 0)
        fail(0, "%d of %d connections lost; the first: %s", result.lost, load.connections,
             first_loss);
}

int main(int argc, char **argv)
{
    load = read_load_client_arguments(argc, argv);
    start_narration(load.quiet, client_narration_stream());
    start_winsock();

    /* Step 23-12: a port. One thread takes its packets. */
    completion_port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    if (completion_port == NULL)
        fail((int)GetLastError(), "CreateIoCompletionPort");

    struct addrinfo *addresses = find_addresses(load.host, load.port);
    if (load.connections > 0)
        run_load(addresses);
    else
        run_conversation(addresses);
    freeaddrinfo(addresses);

    CloseHandle(completion_port);
    stop_winsock();
    return 0;
}
