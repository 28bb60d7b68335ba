/* pace.c - how slow the machine is. See pace.h. */
#include "pace.h"
#include "scripted_server.h"

volatile int patience_ms = 10000;
static volatile int quiet_patience_ms; /* 0: limits are the same at each pace */

/* Of one exchange with the echo, in milliseconds; later ones count more. Any quiet machine is
 * quicker than QUIET_MS, also where each call is a request to another process. */
static volatile double exchange_ms;
static const double QUIET_MS = 3, MOST_SLOWNESS = 4;

static volatile double quiet_time;
static bool is_watched;

static double times_slower(void)
{
    const double times = exchange_ms / QUIET_MS;
    return min(max(times, 1), MOST_SLOWNESS);
}

static SOCKET connect_to_echo(void)
{
    static struct script_server echo;
    struct sockaddr_in address;
    SOCKET peer = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

    start_script(&echo, ECHO_MANY);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((u_short)echo.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (peer == INVALID_SOCKET || connect(peer, (struct sockaddr *)&address, sizeof address) != 0)
        fail(WSAGetLastError(), "the echo inside the checks");
    return peer;
}

/* How long an exchange takes, in milliseconds; -1: the program ends. */
static double time_exchange(SOCKET peer)
{
    char byte = 'x';
    double begun = now_ms();

    if (send(peer, &byte, 1, 0) != 1 || recv(peer, &byte, 1, 0) != 1)
        return -1;
    return now_ms() - begun;
}

static DWORD WINAPI watch_pace(void *parameter)
{
    enum { APART_MS = 250 };
    const SOCKET peer = *(const SOCKET *)parameter;
    double last = now_ms(), took;

    while ((took = time_exchange(peer)) >= 0) {
        double now = now_ms();
        exchange_ms += (took - exchange_ms) / 5;
        quiet_time += (now - last) / times_slower();
        last = now;
        if (quiet_patience_ms != 0)
            patience_ms = (int)(quiet_patience_ms * times_slower());
        Sleep(APART_MS);
    }
    return 0;
}

/* Until the program ends. The first exchanges tell the pace already. */
static void watch(void)
{
    enum { FIRST = 10 };
    static SOCKET peer;
    HANDLE thread;

    if (is_watched)
        return;
    peer = connect_to_echo();
    for (int i = 0; i <= FIRST; i++) {
        double took = time_exchange(peer);
        exchange_ms += i == 0 ? 0 : took / FIRST; /* the first one may wait for the accept */
    }
    quiet_time = now_ms();
    is_watched = true;
    thread = CreateThread(NULL, 0, watch_pace, &peer, 0, NULL);
    if (thread == NULL)
        fail((int)GetLastError(), "CreateThread");
    CloseHandle(thread);
}

double slowness(void)
{
    watch();
    return times_slower();
}

double at_this_pace(double quiet_ms)
{
    return quiet_patience_ms != 0 ? quiet_ms * slowness() : quiet_ms;
}

double quiet_time_ms(void)
{
    return is_watched ? quiet_time : now_ms();
}

void give_time(double quiet_ms)
{
    Sleep((DWORD)at_this_pace(quiet_ms));
}

void set_patience(int quiet_ms)
{
    quiet_patience_ms = quiet_ms;
    patience_ms = (int)at_this_pace(quiet_ms);
}
