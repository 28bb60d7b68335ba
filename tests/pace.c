/* pace.c - how slow the machine is. See pace.h. */
#include "pace.h"
#include "scripted_server.h"

static int quiet_patience_ms; /* 0: patience_ms is the same at each pace */
volatile int patience_ms = 10000;

/* Of one exchange with the echo, in milliseconds; later ones count more. Any quiet machine is
 * quicker than QUIET_MS, also where each call is a request to another process. */
static volatile double exchange_ms;
static const double QUIET_MS = 3, MOST_SLOWNESS = 4;

double slowness(void)
{
    return min(max(exchange_ms / QUIET_MS, 1), MOST_SLOWNESS);
}

double at_this_pace(double quiet_ms)
{
    return quiet_ms * slowness();
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

static DWORD WINAPI watch_pace(void *parameter)
{
    enum { APART_MS = 100 };
    static struct script_server echo;
    struct sockaddr_in address;
    char word[] = "word";
    SOCKET peer = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

    (void)parameter;
    start_script(&echo, ECHO_MANY);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((u_short)echo.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (peer == INVALID_SOCKET || connect(peer, (struct sockaddr *)&address, sizeof address) != 0)
        fail(WSAGetLastError(), "the echo inside the checks");
    for (;;) {
        double begun = now_ms();
        if (send(peer, word, sizeof word, 0) != sizeof word ||
            recv(peer, word, sizeof word, MSG_WAITALL) != sizeof word)
            return 0; /* the program ends */
        exchange_ms += (now_ms() - begun - exchange_ms) / 10;
        if (quiet_patience_ms != 0)
            set_patience(quiet_patience_ms);
        Sleep(APART_MS);
    }
}

void start_pace(void)
{
    HANDLE thread = CreateThread(NULL, 0, watch_pace, NULL, 0, NULL);
    if (thread == NULL)
        fail((int)GetLastError(), "CreateThread");
    CloseHandle(thread);
}
