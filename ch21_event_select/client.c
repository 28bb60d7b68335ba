/*
 * Chapter 21: asynchronous notification with WSAEventSelect - the client.
 *
 * One wait covers the keyboard and the connection: typed lines are sent, and what comes back is
 * printed, whichever happens first.
 *
 *   cl  /std:c11 client.c ..\common\*.c
 *   gcc -std=c11 client.c ..\common\*.c -o client.exe -lws2_32
 *
 * Left simple on purpose: one line at a time is on its way to the server.
 */
#include "../common/common.h"

enum { BUFFER_SIZE = 64 * 1024 };

/* The two events of the one wait. */
enum { CONNECTION_EVENT, LINE_EVENT, EVENT_COUNT };

static SOCKET connection;
static const struct addrinfo *address; /* the address of the server that is being tried */
static char server[ADDRESS_TEXT_SIZE];
static WSAEVENT events[EVENT_COUNT];

static struct input input;
static bool sending;     /* the line in input is on its way */
static int line_sent;    /* bytes of the line that have been sent */
static bool input_ended; /* nothing more will be sent */

static long long sent; /* bytes in all */
static long long received;

static void connect_to_server(void);
static int begin_connect(void);
static void converse(void);
static bool serve_connection(void);
static void connect_ended(int error);
static void send_line(void);
static void send_rest(void);
static bool receive(void);
static void line_ready(void);
static WSAEVENT create_event(void);

int main(int argc, char **argv)
{
    struct arguments arguments = read_client_arguments(argc, argv);
    start_narration(arguments.quiet, client_narration_stream());
    start_winsock();

    /* A: an event for the connection, an event for typed lines. */
    events[CONNECTION_EVENT] = create_event();
    events[LINE_EVENT] = create_event();

    struct addrinfo *addresses = find_addresses(arguments.host, arguments.port);
    address = addresses;
    connect_to_server();
    converse();

    closesocket(connection);
    freeaddrinfo(addresses);
    WSACloseEvent(events[CONNECTION_EVENT]);
    WSACloseEvent(events[LINE_EVENT]);
    narrate(0, "closesocket", "%lld bytes sent, %lld bytes came back", sent, received);
    stop_winsock();
    return 0;
}

/* Begins to connect to address, or to the next one: localhost is ::1 as well as 127.0.0.1. */
static void connect_to_server(void)
{
    int error;

    while ((error = begin_connect()) != 0) {
        narrate_failure(0, "connect", error);
        if (connection != INVALID_SOCKET)
            closesocket(connection);
        if (address->ai_next == NULL)
            fail(error, "connect %s", server);
        address = address->ai_next;
    }
}

/* B: WSAEventSelect makes the socket non-blocking, so connect only begins; FD_CONNECT
 * reports how it ended. Returns an error if it could not even begin. */
static int begin_connect(void)
{
    int error = 0;

    address_text(address->ai_addr, (int)address->ai_addrlen, server);
    connection = socket(address->ai_family, SOCK_STREAM, IPPROTO_TCP);
    if (connection == INVALID_SOCKET)
        return WSAGetLastError();
    if (WSAEventSelect(connection, events[CONNECTION_EVENT],
                       FD_CONNECT | FD_READ | FD_WRITE | FD_CLOSE) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect");
    narrate(0, "WSAEventSelect", "FD_CONNECT FD_READ FD_WRITE FD_CLOSE");
    if (connect(connection, address->ai_addr, (int)address->ai_addrlen) == SOCKET_ERROR)
        error = WSAGetLastError();
    if (error != 0 && error != WSAEWOULDBLOCK)
        return error;
    narrate(0, "connect", "%s: %s", server, error == 0 ? "done" : "begun (WSAEWOULDBLOCK)");
    return 0;
}

/* Waits for the connection or a typed line, again and again, until the server has closed. */
static void converse(void)
{
    bool open = true;

    while (open) {
        DWORD place = WSAWaitForMultipleEvents(EVENT_COUNT, events, FALSE, WSA_INFINITE, FALSE);
        if (place == WSA_WAIT_FAILED)
            fail(WSAGetLastError(), "WSAWaitForMultipleEvents");
        if (place - WSA_WAIT_EVENT_0 == CONNECTION_EVENT)
            open = serve_connection();
        else
            send_line();
    }
    if (!input_ended || received != sent)
        fail(0, "receive from %s: the server closed the connection, %lld of %lld bytes came back",
             server, received, sent);
}

/* C: what happened to the connection? Returns false when the server has closed it. */
static bool serve_connection(void)
{
    WSANETWORKEVENTS happened;
    char text[EVENTS_TEXT_SIZE];

    if (WSAEnumNetworkEvents(connection, events[CONNECTION_EVENT], &happened) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEnumNetworkEvents");
    narrate(0, "WSAEnumNetworkEvents", "%s", network_events_text(happened.lNetworkEvents, text));

    if (happened.lNetworkEvents & FD_CONNECT) {
        int error = happened.iErrorCode[FD_CONNECT_BIT];
        connect_ended(error);
        if (error != 0)
            return true; /* the other events were those of the socket that is closed now */
    }
    if (happened.lNetworkEvents & FD_CLOSE) {
        while (receive()) /* FD_CLOSE does not come again: read to the end */
            continue;
        return false;
    }
    if (happened.lNetworkEvents & FD_READ)
        receive();
    if (happened.lNetworkEvents & FD_WRITE && sending)
        send_rest();
    return true;
}

/* Connected: the first line may be typed. Failed: the next address is tried. */
static void connect_ended(int error)
{
    if (error == 0) {
        narrate(0, "connect", "connected to %s", server);
        start_input(&input, line_ready);
        show_prompt();
        return;
    }
    narrate_failure(0, "connect", error);
    closesocket(connection);
    if (address->ai_next == NULL)
        fail(error, "connect %s", server);
    address = address->ai_next;
    connect_to_server();
}

static void send_line(void)
{
    WSAResetEvent(events[LINE_EVENT]);
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

/* D: send until the system refuses; then FD_WRITE comes when there is room again. */
static void send_rest(void)
{
    while (line_sent < input.length) {
        int bytes = send(connection, input.line + line_sent, input.length - line_sent, 0);
        if (bytes == SOCKET_ERROR) {
            int error = WSAGetLastError();
            if (error != WSAEWOULDBLOCK)
                fail(error, "send to %s", server);
            narrate(0, "send", "refused (WSAEWOULDBLOCK): FD_WRITE will come");
            return;
        }
        narrate(0, "send", "%d bytes", bytes);
        line_sent += bytes;
        sent += bytes;
    }
    sending = false;
    next_line(&input);
}

/* E: one recv per FD_READ. Returns false when the server has closed the connection. */
static bool receive(void)
{
    static char buffer[BUFFER_SIZE];

    int bytes = recv(connection, buffer, BUFFER_SIZE, 0);
    if (bytes == SOCKET_ERROR) {
        int error = WSAGetLastError();
        if (error != WSAEWOULDBLOCK)
            fail(error, "receive from %s", server);
        narrate(0, "recv", "nothing to receive (WSAEWOULDBLOCK)");
        return true;
    }
    narrate(0, "recv", "%d bytes", bytes);
    if (bytes == 0)
        return false;
    received += bytes;
    print_echo(buffer, bytes);
    if (received == sent && !sending && !input_ended)
        show_prompt();
    return true;
}

/* The thread that reads standard input calls this when it has read a line. */
static void line_ready(void)
{
    WSASetEvent(events[LINE_EVENT]);
}

static WSAEVENT create_event(void)
{
    WSAEVENT event = WSACreateEvent();
    if (event == WSA_INVALID_EVENT)
        fail(WSAGetLastError(), "WSACreateEvent");
    return event;
}
