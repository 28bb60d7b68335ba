/*
 * Chapter 23: I/O completion ports - the load client.
 *
 * One thread and one port serve thousands of connections: each sends messages to an echo server,
 * every byte that comes back is compared, and the time that each message takes is measured.
 *
 *   cl  /std:c11 load_client.c ..\common\*.c
 *   gcc -std=c11 load_client.c ..\common\*.c -o load_client.exe -lws2_32
 *
 * Left simple on purpose: one thread, so a fast server may have to wait for this client; all
 * connections are made before the first message is sent; and when memory runs out, it ends.
 */
#include "../common/common.h"

#include <mswsock.h> /* ConnectEx */
#include <stdlib.h>

enum {
    BUFFER_SIZE = 64 * 1024,
    MAX_DEPTH = 64,         /* messages of one connection on their way at a time */
    CONNECTS = 100,         /* in progress at a time: a listener's backlog is limited */
    PACKETS = 64,           /* taken at a time */
    CONNECTED_WITHIN = 30,  /* seconds */
    LAST_ECHOES_WITHIN = 10 /* seconds after the last message began */
};

/* The bytes of the messages repeat after PERIOD bytes, a prime number, so that neither two messages
 * of a connection nor two connections begin alike. */
enum { PERIOD = 65521, CONNECTIONS_APART = 7919 };

enum { LATENCY_CLASSES = 4096 };

/* What the load consists of, with the defaults. */
static struct {
    int connections;
    int messages; /* on each connection */
    int size;     /* bytes of a message */
    int depth;    /* messages of a connection on their way at a time */
    int seconds;  /* no new messages after that */
} load = {.connections = 100, .messages = 100, .size = 64, .depth = 1, .seconds = 60};

static const char purpose[] =
    "  Sends messages on many connections to an echo server, compares every byte that comes\n"
    "  back, and measures.\n";

static const struct number_option options[] = {
    {.name = "--connections",
     .lowest = 1,
     .highest = 10000,
     .number = &load.connections,
     .help = "1 to 10000 (default 100)"},
    {.name = "--messages",
     .lowest = 1,
     .highest = 1000000,
     .number = &load.messages,
     .help = "on each connection (default 100)"},
    {.name = "--size",
     .lowest = 1,
     .highest = 1000000,
     .number = &load.size,
     .help = "bytes of a message (default 64)"},
    {.name = "--depth",
     .lowest = 1,
     .highest = MAX_DEPTH,
     .number = &load.depth,
     .help = "messages of a connection on their way at a time, 1 to 64 (default 1)"},
    {.name = "--seconds",
     .lowest = 1,
     .highest = 3600,
     .number = &load.seconds,
     .help = "no new messages after that many seconds (default 60)"},
    {.name = NULL},
};

/* One connection of many. Its address is the key of its packets: so a packet leads straight to it.
 * The key 0 is left for Ctrl+C. */
struct link {
    SOCKET socket;
    int number;
    enum { UNUSED, CONNECTING, CONNECTED, CLOSED } state;
    const struct addrinfo *address;
    WSAOVERLAPPED send_overlapped; /* of the connect as well */
    WSAOVERLAPPED receive_overlapped;
    bool sending;
    bool shut_down; /* no more messages */
    int messages_begun;
    int messages_back;
    double begun_at[MAX_DEPTH]; /* milliseconds, of the messages on their way */
    long long sent;             /* bytes */
    long long received;
    char *buffer;
};

static HANDLE completion_port;
static struct link *links;
static int buffer_size;
static int connects_begun;
static int connects_pending;
static int links_open;
static int operations_pending;
static const struct addrinfo *server_address;
static LPFN_CONNECTEX connect_ex;
static char *content; /* of the messages */
static char first_loss[ADDRESS_TEXT_SIZE + ERROR_TEXT_SIZE + 40];
static bool no_more_messages; /* the time is up */
static bool interrupted;      /* by Ctrl+C */

/* What has come back so far. */
static struct {
    int connections;        /* that were made */
    int lost;               /* that failed, that ended too early, or that brought a wrong byte */
    long long messages;     /* that came back as a whole */
    long long bytes;        /* that came back, and were the right ones */
    double ms;              /* since the first message began to be sent */
    double longest_latency; /* milliseconds */
    long long latencies[LATENCY_CLASSES]; /* how many messages of each class: see class_of */
} result;

static void prepare_load(const struct addrinfo *addresses);
static void make_load_content(int longest);
static void connect_all(void);
static void begin_connects(void);
static void begin_connect(struct link *link);
static bool prepare_socket(struct link *link);
static void connect_failed(struct link *link, int error);
static void connect_completed(struct link *link);
static void exchange_messages(void);
static void take_packets(double until);
static void operation_completed(struct link *link, OVERLAPPED *overlapped);
static void begin_receive(struct link *link);
static void begin_send(struct link *link);
static void load_sent(struct link *link, DWORD bytes);
static void load_received(struct link *link, DWORD bytes);
static void end_load(void);
static void print_load_progress(void);
static void print_load_result(void);
static double latency(double fraction);
static void add_latency(double ms);
static int class_of(long long microseconds);
static long long end_of_class(int latency_class);
static const char *load_content(int connection, long long position);
static long long bytes_begun(const struct link *link);
static void request_stop(void);
static void find_connect_ex(SOCKET socket);
static WSAOVERLAPPED *fresh_overlapped(WSAOVERLAPPED *overlapped);
static void lose(struct link *link, const char *what, int error);
static void close_link(struct link *link);

int main(int argc, char **argv)
{
    struct arguments arguments = read_client_arguments_with(argc, argv, purpose, options);
    start_narration(arguments.quiet, client_narration_stream());
    start_winsock();

    /* One thread takes the packets of all connections, and that of Ctrl+C. */
    completion_port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    if (completion_port == NULL)
        fail((int)GetLastError(), "CreateIoCompletionPort");
    call_on_ctrl_c(request_stop);

    struct addrinfo *addresses = find_addresses(arguments.host, arguments.port);
    prepare_load(addresses);
    connect_all();
    if (!interrupted)
        exchange_messages();
    end_load();
    freeaddrinfo(addresses);

    print_load_result();
    if (result.lost > 0)
        fail(0, "%d of %d connections lost; the first: %s", result.lost, load.connections,
             first_loss);
    /* The port is left for the system to close: request_stop may still be using it. */
    stop_winsock();
    return 0;
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
}

/* Fills content with random bytes. longest: the most bytes that load_content is asked for at a
 * time. */
static void make_load_content(int longest)
{
    content = malloc((size_t)PERIOD + (size_t)longest);
    if (content == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for messages");
    unsigned random = 2463534242u;
    for (int i = 0; i < PERIOD + longest; i++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        content[i] = i < PERIOD ? (char)(random >> 24) : content[i - PERIOD];
    }
}

static void connect_all(void)
{
    double until = now_ms() + 1000.0 * (double)CONNECTED_WITHIN;
    do {
        begin_connects();
        if (connects_pending > 0)
            take_packets(until);
    } while (connects_pending > 0 && !interrupted && now_ms() < until);
    for (int i = 0; i < load.connections; i++) {
        if (links[i].state == CONNECTING && !interrupted)
            lose(&links[i], "connect", WSAETIMEDOUT);
    }
}

static void begin_connects(void)
{
    while (connects_pending < CONNECTS && connects_begun < load.connections) {
        struct link *link = &links[connects_begun++];
        link->number = connects_begun;
        begin_connect(link);
    }
}

/* F: ConnectEx is a connect that does not wait. It needs a socket that is already bound. */
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

static bool prepare_socket(struct link *link)
{
    const struct addrinfo *address = link->address;
    struct sockaddr_storage any_address = {0};
    struct sockaddr *any = (struct sockaddr *)&any_address; /* any port of any local address */
    const int on = 1;
    any->sa_family = (ADDRESS_FAMILY)address->ai_family;
    return bind(link->socket, any, (int)address->ai_addrlen) == 0 &&
           setsockopt(link->socket, IPPROTO_TCP, TCP_NODELAY, (const char *)&on, sizeof on) == 0 &&
           CreateIoCompletionPort((HANDLE)link->socket, completion_port, (ULONG_PTR)link, 0) !=
               NULL;
}

/* Until one connect has succeeded, it is not known at which of the addresses the server listens:
 * localhost is ::1 as well as 127.0.0.1. */
static void connect_failed(struct link *link, int error)
{
    if (link->address == server_address && result.connections == 0 &&
        server_address->ai_next != NULL) {
        server_address = server_address->ai_next;
        connect_ex = NULL; /* another kind of address may need another function */
    }
    if (link->address == server_address) {
        lose(link, "connect", error);
        return;
    }
    close_link(link);
    begin_connect(link);
}

/* G: only this option makes it a connected socket for shutdown and similar calls. */
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

/* Keeps messages on their way on all connections until all are back, or the time is up. */
static void exchange_messages(void)
{
    double start = now_ms();
    double end = start + load.seconds * 1000.0;
    double now = start;

    for (int i = 0; i < load.connections; i++) {
        if (links[i].state == CONNECTED)
            begin_receive(&links[i]);
        if (links[i].state == CONNECTED)
            begin_send(&links[i]);
    }
    while (links_open > 0 && !interrupted && now < end + 1000.0 * (double)LAST_ECHOES_WITHIN) {
        take_packets(start + ((int)(result.ms / 1000) + 1) * 1000.0); /* when progress is due */
        now = now_ms();
        result.ms = now - start;
        print_load_progress();
        no_more_messages = now >= end;
    }
}

/* H: one call takes many packets. It waits for the first of them, but no longer than until
 * the given time (of now_ms). */
static void take_packets(double until)
{
    OVERLAPPED_ENTRY packets[PACKETS];
    ULONG count;
    double left = until - now_ms();
    DWORD milliseconds = left <= 0 ? 0 : (DWORD)left + 1;

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

/* Which operation was it? The state of the connection and the OVERLAPPED show it. */
static void operation_completed(struct link *link, OVERLAPPED *overlapped)
{
    bool is_receive = overlapped == &link->receive_overlapped;
    DWORD bytes, flags;

    operations_pending--;
    if (link->state == CONNECTING)
        connects_pending--;
    if (link->state == CLOSED) /* it was closed while this operation was in progress */
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

/* I: sends the rest of a message, or the next message unless enough of them are on their way. */
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
        link->begun_at[link->messages_begun++ % MAX_DEPTH] = now_ms();
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

/* J: every byte must be the one that was sent. */
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
        add_latency(now_ms() - link->begun_at[link->messages_back % MAX_DEPTH]);
    begin_receive(link);
    if (link->state == CONNECTED && !link->sending && !link->shut_down)
        begin_send(link);
}

/* A connection that is still open has waited in vain, or Ctrl+C ends it. Its buffer belongs to the
 * system until the packets of its operations have been taken. */
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
        take_packets(now_ms() + 1000);
    free(links[0].buffer);
    free(links);
}

/* If standard output is a console, prints a line for each second. */
static void print_load_progress(void)
{
    static int seconds_told;
    static long long messages_told;
    static long long bytes_told;
    DWORD mode;
    int seconds = (int)(result.ms / 1000);

    if (seconds == seconds_told || !GetConsoleMode(GetStdHandle(STD_OUTPUT_HANDLE), &mode))
        return;
    int since = seconds - seconds_told;
    printf("%5d s  %8lld messages/s  %8.2f MB/s  %5d connections open, %d lost\n", seconds,
           (result.messages - messages_told) / since,
           (double)(result.bytes - bytes_told) / 1e6 / since, links_open, result.lost);
    fflush(stdout);
    seconds_told = seconds;
    messages_told = result.messages;
    bytes_told = result.bytes;
}

/* A megabyte is 1,000,000 bytes; each byte counts once, though it travels there and back. Half of
 * the messages took at most p50, 99 of 100 at most p99. */
static void print_load_result(void)
{
    double seconds = result.ms > 0 ? result.ms / 1000 : 1e-6;
    printf("%d connections, %lld messages, %lld bytes in %.3f s; %d lost\n", result.connections,
           result.messages, result.bytes, seconds, result.lost);
    printf("%.0f messages/s, %.2f MB/s\n", (double)result.messages / seconds,
           (double)result.bytes / 1e6 / seconds);
    if (result.messages > 0)
        printf("latency: p50 %.3f ms, p99 %.3f ms, max %.3f ms\n", latency(0.50), latency(0.99),
               result.longest_latency);
    fflush(stdout);
}

/* The latency in milliseconds that the given fraction of the messages did not exceed. */
static double latency(double fraction)
{
    double wanted = fraction * (double)result.messages;
    long long messages = 0;
    int latency_class = -1;
    while (messages == 0 || (double)messages < wanted)
        messages += result.latencies[++latency_class];
    double end = (double)end_of_class(latency_class) / 1000;
    return min(end, result.longest_latency);
}

/* A message has come back, ms milliseconds after its send began. */
static void add_latency(double ms)
{
    result.messages++;
    result.latencies[class_of((long long)(ms * 1000))]++;
    if (ms > result.longest_latency)
        result.longest_latency = ms;
}

/* A class for each microsecond up to 127, then for every two up to 255, every four up to 511 ...:
 * so a latency is known to within 2 %, and any number of messages needs the same memory. */
static int class_of(long long microseconds)
{
    int doublings = 0;
    while (microseconds > 127) {
        microseconds /= 2;
        doublings++;
    }
    return doublings * 64 + (int)microseconds;
}

/* Where the class ends, in microseconds. */
static long long end_of_class(int latency_class)
{
    int doublings = latency_class < 128 ? 0 : latency_class / 64 - 1;
    return (latency_class - doublings * 64 + 1LL) << doublings;
}

/* The bytes that this connection sends from position on, and that must come back. */
static const char *load_content(int connection, long long position)
{
    return content + (size_t)(((long long)connection * CONNECTIONS_APART + position) % PERIOD);
}

/* Bytes of all messages that have begun. */
static long long bytes_begun(const struct link *link)
{
    return (long long)link->messages_begun * load.size;
}

static void request_stop(void)
{
    PostQueuedCompletionStatus(completion_port, 0, 0, NULL);
}

/* ConnectEx is not in ws2_32: the socket's provider knows its address. */
static void find_connect_ex(SOCKET socket)
{
    GUID guid = WSAID_CONNECTEX;
    DWORD bytes;
    if (WSAIoctl(socket, SIO_GET_EXTENSION_FUNCTION_POINTER, &guid, sizeof guid, &connect_ex,
                 sizeof connect_ex, &bytes, NULL, NULL) == SOCKET_ERROR)
        fail(WSAGetLastError(), "find ConnectEx");
}

/* Each operation begins with a fresh OVERLAPPED. It needs no event: a packet is queued. */
static WSAOVERLAPPED *fresh_overlapped(WSAOVERLAPPED *overlapped)
{
    memset(overlapped, 0, sizeof *overlapped);
    return overlapped;
}

/* A lost connection is counted, and the others go on. */
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

static void close_link(struct link *link)
{
    if (link->state == CONNECTED) {
        links_open--;
        narrate(link->number, "closesocket", "%lld bytes sent, %lld bytes came back", link->sent,
                link->received);
    }
    /* This cancels what is still in progress; each cancelled operation queues its packet. */
    closesocket(link->socket);
    link->state = CLOSED;
}
