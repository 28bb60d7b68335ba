/*
 * Chapter 23: I/O completion ports - the client.
 *
 * One thread has a send and a receive in progress at the same time, and does other work until the
 * packet of one of them is queued at a completion port.
 *
 *   cl  /std:c11 client.c ..\common\*.c
 *   gcc -std=c11 client.c ..\common\*.c -o client.exe -lws2_32
 *
 * Left simple on purpose: one line at a time is on its way to the server.
 */
#include "../common/common.h"

enum { BUFFER_SIZE = 64 * 1024 };

/* What a packet is about: an operation of the connection, or a typed line. */
enum key { CONNECTION, LINE };

static SOCKET connection;
static char server[ADDRESS_TEXT_SIZE];
static HANDLE completion_port;

/* While an operation is in progress, its OVERLAPPED and its buffer belong to the system. */
static WSAOVERLAPPED send_overlapped;
static WSAOVERLAPPED receive_overlapped;
static char buffer[BUFFER_SIZE];
static bool open; /* the server has not closed */

static struct input input;
static bool sending;     /* the line in input is on its way */
static int line_sent;    /* bytes of the line that have been sent */
static bool input_ended; /* nothing more will be sent */

static long long sent; /* bytes in all */
static long long received;

/* The other work: finding prime numbers. */
enum { NUMBERS = 1000000, NUMBERS_AT_A_TIME = 100 };
static int numbers_tested;
static int tested_during_both; /* of them: while a send and a receive were in progress */
static int primes_found;
static int numbers_told_of; /* numbers that the narration has mentioned */

static void connect_to_server(const struct addrinfo *address);
static void converse(void);
static OVERLAPPED *work_until_packet(void);
static void work(void);
static bool is_prime(int number);
static void send_line(void);
static void send_rest(void);
static void send_completed(DWORD bytes);
static void receive(void);
static void receive_completed(DWORD bytes);
static DWORD operation_result(WSAOVERLAPPED *overlapped, const char *tried);
static void check_outcome(const char *call, const char *tried, int result);
static void line_ready(void);
static void prompt_if_all_is_back(void);
static void narrate_work(void);
static WSAOVERLAPPED *fresh_overlapped(WSAOVERLAPPED *overlapped);

int main(int argc, char **argv)
{
    struct arguments arguments = read_client_arguments(argc, argv);
    start_narration(arguments.quiet, client_narration_stream());
    start_winsock();

    /* A: a completion port. One thread takes its packets. */
    completion_port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    if (completion_port == NULL)
        fail((int)GetLastError(), "CreateIoCompletionPort");

    struct addrinfo *addresses = find_addresses(arguments.host, arguments.port);
    connect_to_server(addresses);
    freeaddrinfo(addresses);
    receive();
    start_input(&input, line_ready);
    show_prompt();
    converse();

    closesocket(connection);
    CloseHandle(completion_port);
    narrate(0, "work", "%d numbers tested, %d while send and receive were in progress, %d primes",
            numbers_tested, tested_during_both, primes_found);
    narrate(0, "closesocket", "%lld bytes sent, %lld bytes came back", sent, received);
    stop_winsock();
    return 0;
}

/* B: an overlapped socket. Tries one address after the other: localhost is ::1 as well
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

    /* The system would copy a line into its own buffer and complete the send. Without that buffer
     * the send lasts as long as the transfer, so that the two operations are seen to overlap. */
    const int no_buffer = 0;
    if (setsockopt(connection, SOL_SOCKET, SO_SNDBUF, (const char *)&no_buffer, sizeof no_buffer))
        fail(WSAGetLastError(), "setsockopt SO_SNDBUF");

    /* From now on the packets of its operations go to the port, with this key. */
    if (CreateIoCompletionPort((HANDLE)connection, completion_port, CONNECTION, 0) == NULL)
        fail((int)GetLastError(), "CreateIoCompletionPort for the connection");
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
    /* If a send is still in progress, fail ends the program, so nothing that it uses is freed. */
    if (!input_ended || received != sent)
        fail(0, "receive from %s: the server closed the connection, %lld of %lld bytes came back",
             server, received, sent);
}

/* E: while an echo is on its way the thread works, and only looks for packets in between.
 * With no work to do, it waits for them. Returns the packet's OVERLAPPED, or NULL for a line. */
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

static void work(void)
{
    if (!HasOverlappedIoCompleted(&send_overlapped) &&
        !HasOverlappedIoCompleted(&receive_overlapped))
        tested_during_both += NUMBERS_AT_A_TIME;
    for (int i = 0; i < NUMBERS_AT_A_TIME; i++)
        primes_found += is_prime(++numbers_tested);
}

static bool is_prime(int number)
{
    for (int divisor = 2; divisor <= number / divisor; divisor++)
        if (number % divisor == 0)
            return false;
    return number >= 2;
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

/* D: the send begins; the line must not change until the send is complete. */
static void send_rest(void)
{
    WSABUF rest = {(ULONG)(input.length - line_sent), input.line + line_sent};
    int result = WSASend(connection, &rest, 1, NULL, 0, fresh_overlapped(&send_overlapped), NULL);
    check_outcome("WSASend", "send to", result);
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
    prompt_if_all_is_back(); /* the echo may arrive before the send is seen to be complete */
}

/* C: the receive begins before there is anything to receive, and stays in progress while
 * lines are sent. */
static void receive(void)
{
    WSABUF space = {BUFFER_SIZE, buffer};
    DWORD flags = 0;
    int result =
        WSARecv(connection, &space, 1, NULL, &flags, fresh_overlapped(&receive_overlapped), NULL);
    check_outcome("WSARecv", "receive from", result);
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

/* How did the operation end? The packet says so as well, but without Winsock's error codes. */
static DWORD operation_result(WSAOVERLAPPED *overlapped, const char *tried)
{
    DWORD bytes;
    DWORD flags; /* required by the call, not used here */

    if (!WSAGetOverlappedResult(connection, overlapped, &bytes, FALSE, &flags))
        fail(WSAGetLastError(), "%s %s", tried, server);
    narrate(0, "WSAGetOverlappedResult", "%lu bytes %s", bytes,
            overlapped == &send_overlapped ? "sent" : "received");
    return bytes;
}

/* The three outcomes: completed immediately (0), in progress (WSA_IO_PENDING), failed. In the first
 * two a packet is or will be queued. */
static void check_outcome(const char *call, const char *tried, int result)
{
    int error = result == 0 ? 0 : WSAGetLastError();
    if (error != 0 && error != WSA_IO_PENDING)
        fail(error, "%s %s", tried, server);
    narrate(0, call, error == 0 ? "completed" : "pending (WSA_IO_PENDING)");
}

/* The thread that reads standard input calls this when it has read a line: any program may queue
 * its own packets. */
static void line_ready(void)
{
    if (!PostQueuedCompletionStatus(completion_port, 0, LINE, NULL))
        fail((int)GetLastError(), "PostQueuedCompletionStatus");
}

static void prompt_if_all_is_back(void)
{
    if (received == sent && !sending && !input_ended)
        show_prompt();
}

static void narrate_work(void)
{
    if (numbers_tested > numbers_told_of)
        narrate(0, "work", "%d numbers tested meanwhile", numbers_tested - numbers_told_of);
    numbers_told_of = numbers_tested;
}

/* Each operation begins with a fresh OVERLAPPED. It needs no event: a packet is queued. */
static WSAOVERLAPPED *fresh_overlapped(WSAOVERLAPPED *overlapped)
{
    memset(overlapped, 0, sizeof *overlapped);
    return overlapped;
}
