/* notes_21.c - chapter 21 of the lecture notes: notification, synchronous and asynchronous. */
#include "notes.h"

/* Is the event signalled now? */
static bool is_signalled(WSAEVENT event)
{
    return WSAWaitForMultipleEvents(1, &event, FALSE, 0, FALSE) == WSA_WAIT_EVENT_0;
}

static WSAEVENT new_event(void)
{
    WSAEVENT event = WSACreateEvent();
    if (event == WSA_INVALID_EVENT)
        fail(WSAGetLastError(), "WSACreateEvent");
    return event;
}

/* Which network events has the socket had since the last call? The event is reset. */
static WSANETWORKEVENTS network_events(SOCKET socket, WSAEVENT event)
{
    WSANETWORKEVENTS found;
    if (WSAEnumNetworkEvents(socket, event, &found) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEnumNetworkEvents");
    return found;
}

static void select_events(SOCKET socket, WSAEVENT event, long events)
{
    if (WSAEventSelect(socket, event, events) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect");
}

/* ---- synchronous and asynchronous ---------------------------------------------------------- */

static void synchronous_send(void)
{
    struct pair pair = connect_pair();
    struct errand reading;
    begin_errand(&reading, LATER_MS, receive_huge, pair.theirs);
    double begun = now_ms();
    int sent = send(pair.ours, huge, HUGE_SIZE, 0);
    double took = now_ms() - begun;
    end_errand(&reading);
    observed(sent == HUGE_SIZE && took >= LATER_MS * 0.9,
             "the other side began to read after %d ms; send of %d bytes returned after %.0f ms, "
             "with all of them",
             LATER_MS, HUGE_SIZE, took);
    close_pair(pair);
}

static volatile LONG flag;

static void set_flag(SOCKET socket)
{
    (void)socket;
    InterlockedExchange(&flag, 1);
}

static void nothing_meanwhile(void)
{
    struct pair pair = connect_pair();
    struct errand flagging, talking;
    char byte;
    flag = 0;
    begin_errand(&flagging, 0, set_flag, INVALID_SOCKET);
    begin_errand(&talking, LATER_MS, send_byte, pair.theirs);
    double begun = now_ms();
    int received = recv(pair.ours, &byte, 1, 0);
    double seen = now_ms() - begun; /* the first moment at which this thread can look */
    observed(
        received == 1 && flag == 1 && seen >= LATER_MS * 0.9,
        "a flag was set immediately; the thread could look at it after %.0f ms, when recv returned",
        seen);
    end_errand(&flagging);
    end_errand(&talking);
    close_pair(pair);
}

static void asynchronous_send(void)
{
    struct pair pair = connect_pair();
    WSABUF bytes = {HUGE_SIZE, huge};
    WSAOVERLAPPED overlapped = {0};
    DWORD sent = 0, flags;
    overlapped.hEvent = new_event();
    double begun = now_ms();
    int result = WSASend(pair.ours, &bytes, 1, NULL, 0, &overlapped, NULL);
    int error = result == 0 ? 0 : WSAGetLastError();
    double took = now_ms() - begun;
    bool in_progress = !HasOverlappedIoCompleted(&overlapped);
    receive_huge(pair.theirs);
    BOOL done = WSAGetOverlappedResult(pair.ours, &overlapped, &sent, TRUE, &flags);
    observed(
        error == WSA_IO_PENDING && took < AT_ONCE_MS && in_progress && done && sent == HUGE_SIZE,
        "WSASend returned after %.1f ms, in progress; in the end %lu bytes were sent", took, sent);
    WSACloseEvent(overlapped.hEvent);
    close_pair(pair);
}

/* ---- notification -------------------------------------------------------------------------- */

static void select_waits(void)
{
    struct pair pair = connect_pair();
    struct errand talking;
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(pair.ours, &readable);
    begin_errand(&talking, LATER_MS, send_byte, pair.theirs);
    double begun = now_ms();
    int count = select(0, &readable, NULL, NULL, NULL);
    double took = now_ms() - begun;
    observed(count == 1 && took >= LATER_MS * 0.9,
             "a byte came after %d ms; select returned after %.0f ms", LATER_MS, took);
    end_errand(&talking);
    close_pair(pair);
}

static void select_sets(void)
{
    struct pair first = connect_pair(), second = connect_pair();
    struct timeval no_time = {0, 0};
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(first.ours, &readable);
    FD_SET(second.ours, &readable);
    say_something(first.theirs);
    select(0, &readable, NULL, NULL, &no_time);
    bool forgotten = !FD_ISSET(second.ours, &readable);
    say_something(second.theirs); /* the set as select left it does not ask for this one */
    select(0, &readable, NULL, NULL, &no_time);
    bool missed = !FD_ISSET(second.ours, &readable);
    FD_ZERO(&readable);
    FD_SET(second.ours, &readable);
    int found = select(0, &readable, NULL, NULL, &no_time);
    observed(forgotten && missed && found == 1,
             "select took the idle socket out of the set, and missed its byte until it was put in "
             "again");
    close_pair(first);
    close_pair(second);
}

static void event_select_returns(void)
{
    struct pair idle = connect_pair(), ready = connect_pair();
    WSAEVENT event = new_event(), other_event = new_event();
    say_something(ready.theirs);
    double begun = now_ms();
    int result = WSAEventSelect(idle.ours, event, FD_READ);
    int other_result = WSAEventSelect(ready.ours, other_event, FD_READ);
    double took = now_ms() - begun;
    observed(result == 0 && other_result == 0 && took < AT_ONCE_MS,
             "one socket had no data, one had; both calls together returned after %.1f ms", took);
    close_pair(idle);
    close_pair(ready);
    WSACloseEvent(event);
    WSACloseEvent(other_event);
}

static void asked_later(void)
{
    struct pair pair = connect_pair();
    struct errand talking;
    WSAEVENT event = new_event();
    long rounds = 0;
    select_events(pair.ours, event, FD_READ);
    begin_errand(&talking, LATER_MS, send_byte, pair.theirs);
    double begun = now_ms();
    while (now_ms() - begun < 2 * LATER_MS)
        rounds++; /* the other work */
    bool signalled = is_signalled(event);
    WSANETWORKEVENTS found = network_events(pair.ours, event);
    observed(signalled && found.lNetworkEvents == FD_READ && rounds > 0,
             "registered; %ld rounds of other work, while a byte came; asked afterwards: FD_READ",
             rounds);
    end_errand(&talking);
    close_pair(pair);
    WSACloseEvent(event);
}

static void event_becomes_signalled(void)
{
    struct pair pair = connect_pair();
    WSAEVENT event = new_event();
    select_events(pair.ours, event, FD_READ | FD_CLOSE);
    bool before = is_signalled(event);
    say_something(pair.theirs);
    bool after = is_signalled(event);
    observed(!before && after, "before the byte came: not signalled; afterwards: signalled");
    close_pair(pair);
    WSACloseEvent(event);
}

static void one_call_a_socket(void)
{
    struct pair pair = connect_pair();
    WSAEVENT first = new_event(), second = new_event();
    select_events(pair.ours, first, FD_READ);
    select_events(pair.ours, second, FD_READ); /* takes the place of the first call */
    say_something(pair.theirs);
    bool first_signalled = is_signalled(first), second_signalled = is_signalled(second);
    observed(!first_signalled && second_signalled,
             "of two calls only the second one counts: its event is signalled, the first is not");
    close_pair(pair);
    WSACloseEvent(first);
    WSACloseEvent(second);
}

static void no_registering_again(void)
{
    struct pair pair = connect_pair();
    WSAEVENT event = new_event();
    int told = 0;
    select_events(pair.ours, event, FD_READ); /* once */
    for (int i = 0; i < 3; i++) {
        char byte;
        say_something(pair.theirs);
        if (is_signalled(event) && network_events(pair.ours, event).lNetworkEvents == FD_READ &&
            recv(pair.ours, &byte, 1, 0) == 1)
            told++;
    }
    observed(told == 3, "one call of WSAEventSelect, 3 messages: FD_READ came for %d of them",
             told);
    close_pair(pair);
    WSACloseEvent(event);
}

static void not_blocking(void)
{
    struct pair pair = connect_pair();
    WSAEVENT event = new_event();
    char byte;
    select_events(pair.ours, event, FD_READ);
    int received = recv(pair.ours, &byte, 1, 0);
    int error = received == SOCKET_ERROR ? WSAGetLastError() : 0;
    observed(error == WSAEWOULDBLOCK,
             "recv without data failed immediately with %d (WSAEWOULDBLOCK is %d)", error,
             WSAEWOULDBLOCK);
    close_pair(pair);
    WSACloseEvent(event);
}

/* ---- events -------------------------------------------------------------------------------- */

static void manual_reset(void)
{
    WSAEVENT event = new_event();
    bool at_first = is_signalled(event);
    WSASetEvent(event);
    bool once = is_signalled(event), twice = is_signalled(event);
    WSAResetEvent(event);
    bool after_reset = is_signalled(event);
    observed(
        !at_first && once && twice && !after_reset,
        "new: not signalled; set: two waits in a row found it signalled; reset: not signalled");
    WSACloseEvent(event);
}

static void auto_reset(void)
{
    WSAEVENT event = CreateEventW(NULL, FALSE, FALSE, NULL); /* FALSE: auto-reset */
    if (event == NULL)
        fail((int)GetLastError(), "CreateEvent");
    SetEvent(event);
    bool once = is_signalled(event), twice = is_signalled(event);
    observed(once && !twice, "set: the first wait found it signalled, the second did not");
    CloseHandle(event);
}

static void close_event(void)
{
    WSAEVENT event = new_event();
    BOOL closed = WSACloseEvent(event);
    DWORD place = WSAWaitForMultipleEvents(1, &event, FALSE, 0, FALSE);
    int error = place == WSA_WAIT_FAILED ? WSAGetLastError() : 0;
    observed(closed && error == WSA_INVALID_HANDLE,
             "a wait for the closed event failed with %d (WSA_INVALID_HANDLE is %d)", error,
             (int)WSA_INVALID_HANDLE);
}

static void wait_for_all(void)
{
    WSAEVENT events[2] = {new_event(), new_event()};
    WSASetEvent(events[1]);
    DWORD with_one = WSAWaitForMultipleEvents(2, events, TRUE, 50, FALSE);
    WSASetEvent(events[0]);
    DWORD with_both = WSAWaitForMultipleEvents(2, events, TRUE, 50, FALSE);
    observed(with_one == WSA_WAIT_TIMEOUT && with_both == WSA_WAIT_EVENT_0,
             "one of two signalled: it waited on; both signalled: it returned");
    WSACloseEvent(events[0]);
    WSACloseEvent(events[1]);
}

static void wait_for_one(void)
{
    WSAEVENT events[3] = {new_event(), new_event(), new_event()};
    WSASetEvent(events[1]);
    DWORD one = WSAWaitForMultipleEvents(3, events, FALSE, 50, FALSE) - WSA_WAIT_EVENT_0;
    WSASetEvent(events[0]);
    DWORD two = WSAWaitForMultipleEvents(3, events, FALSE, 50, FALSE) - WSA_WAIT_EVENT_0;
    observed(one == 1 && two == 0,
             "event 1 signalled: it returned %lu; events 0 and 1 signalled: it returned %lu, the "
             "lowest",
             one, two);
    for (int i = 0; i < 3; i++)
        WSACloseEvent(events[i]);
}

static void kinds_of_events(void)
{
    struct sockaddr_in address;
    struct pair pair = connect_pair();
    SOCKET listener = listen_somewhere(&address);
    SOCKET client = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    WSAEVENT event = new_event(), listener_event = new_event();
    char accept_text[EVENTS_TEXT_SIZE], read_text[EVENTS_TEXT_SIZE], close_text[EVENTS_TEXT_SIZE];
    char byte;

    select_events(listener, listener_event, FD_ACCEPT);
    select_events(pair.ours, event, FD_READ | FD_CLOSE);
    if (connect(client, (struct sockaddr *)&address, sizeof address) != 0)
        fail(WSAGetLastError(), "connect to 127.0.0.1");
    Sleep(50);
    long at_connect = network_events(listener, listener_event).lNetworkEvents;
    say_something(pair.theirs);
    long at_data = network_events(pair.ours, event).lNetworkEvents;
    recv(pair.ours, &byte, 1, 0);
    shutdown(pair.theirs, SD_SEND);
    Sleep(50);
    long at_close = network_events(pair.ours, event).lNetworkEvents;
    observed(at_connect == FD_ACCEPT && at_data == FD_READ && at_close == FD_CLOSE,
             "a client connected: %s; a byte came: %s; the other side closed: %s",
             network_events_text(at_connect, accept_text), network_events_text(at_data, read_text),
             network_events_text(at_close, close_text));
    closesocket(client);
    closesocket(listener);
    close_pair(pair);
    WSACloseEvent(event);
    WSACloseEvent(listener_event);
}

static void error_of_an_event(void)
{
    struct sockaddr_in address;
    WSAEVENT event = new_event();
    SOCKET client = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    closesocket(listen_somewhere(&address)); /* no program listens there now */
    select_events(client, event, FD_CONNECT);
    connect(client, (struct sockaddr *)&address, sizeof address);
    WSAWaitForMultipleEvents(1, &event, FALSE, PATIENCE_MS, FALSE);
    WSANETWORKEVENTS found = network_events(client, event);
    observed((found.lNetworkEvents & FD_CONNECT) &&
                 found.iErrorCode[FD_CONNECT_BIT] == WSAECONNREFUSED,
             "connect to a port at which no program listens: FD_CONNECT with the error %d "
             "(WSAECONNREFUSED is %d)",
             found.iErrorCode[FD_CONNECT_BIT], WSAECONNREFUSED);
    closesocket(client);
    WSACloseEvent(event);
}

static void enum_resets(void)
{
    struct pair pair = connect_pair();
    WSAEVENT event = new_event();
    select_events(pair.ours, event, FD_READ);
    say_something(pair.theirs);
    bool before = is_signalled(event);
    network_events(pair.ours, event);
    bool after = is_signalled(event);
    long again = network_events(pair.ours, event).lNetworkEvents;
    observed(
        before && !after && again == 0,
        "signalled; after WSAEnumNetworkEvents not signalled, and a second call reports nothing");
    close_pair(pair);
    WSACloseEvent(event);
}

const struct statement statements_21[] = {
    {.number = "21.1",
     .sentence = "A synchronous call begins and ends together with the transfer.",
     .play = synchronous_send},
    {.number = "21.2",
     .sentence = "While a synchronous call is in progress, its thread does nothing else.",
     .play = nothing_meanwhile},
    {.number = "21.3",
     .sentence = "An asynchronous call begins the transfer and returns immediately; the transfer "
                 "goes on.",
     .play = asynchronous_send},
    {.number = "21.4",
     .sentence = "select notifies synchronously: it returns when a socket is ready.",
     .play = select_waits},
    {.number = "21.5",
     .sentence = "The sets of select must be filled again before each call.",
     .play = select_sets},
    {.number = "21.6",
     .sentence = "WSAEventSelect returns immediately, whatever the state of the socket.",
     .play = event_select_returns},
    {.number = "21.7",
     .sentence = "After WSAEventSelect the program does other work, and asks later whether a "
                 "network event has occurred.",
     .play = asked_later},
    {.number = "21.8",
     .sentence = "When one of the chosen network events occurs on the socket, its event object "
                 "becomes signalled.",
     .play = event_becomes_signalled},
    {.number = "21.9",
     .sentence = "WSAEventSelect is called once per socket.",
     .play = one_call_a_socket},
    {.number = "21.10",
     .sentence = "Unlike with select, a socket need not be registered again.",
     .play = no_registering_again},
    {.number = "21.11",
     .sentence = "(Not in the notes:) WSAEventSelect makes the socket non-blocking.",
     .play = not_blocking},
    {.number = "21.12",
     .sentence = "WSACreateEvent creates a manual-reset event object: once signalled, it stays so "
                 "until it is reset.",
     .play = manual_reset},
    {.number = "21.13",
     .sentence = "(For contrast:) an auto-reset event object is reset by the wait that it "
                 "satisfies.",
     .play = auto_reset},
    {.number = "21.14", .sentence = "WSACloseEvent closes an event object.", .play = close_event},
    {.number = "21.15",
     .sentence = "WSAWaitForMultipleEvents with TRUE returns when all event objects are signalled.",
     .play = wait_for_all},
    {.number = "21.16",
     .sentence = "With FALSE it returns when at least one event object is signalled, and the "
                 "result shows which.",
     .play = wait_for_one},
    {.number = "21.17",
     .sentence = "WSAEnumNetworkEvents reports what has happened: FD_ACCEPT, FD_READ, FD_CLOSE.",
     .play = kinds_of_events},
    {.number = "21.18",
     .sentence = "WSAEnumNetworkEvents also reports the error code of a network event.",
     .play = error_of_an_event},
    {.number = "21.19",
     .sentence = "(Not in the notes:) WSAEnumNetworkEvents resets the event object that it is "
                 "given.",
     .play = enum_resets},
    {0},
};
