/* homework.c - the exercises, their hints, and reports. See homework.h. */
#include "homework.h"

#include <stdarg.h>
#include <stdlib.h>

/* ---- the exercises ------------------------------------------------------------------------- */

const struct exercise exercises[] = {
    {"UPPER",
     "ch21_event_select",
     1,
     "the echo in capital letters",
     "",
     upper_checks,
     {NULL},
     {"Between which two calls are the bytes yours? Look at Steps 21-7 and 21-8.",
      "receive has the bytes in client->buffer before it calls send_rest. Only a to z (as bytes) "
      "change; toupper of the C library may change more, in some languages.",
      "for (int i = 0; i < bytes; i++) in receive, before send_rest; a small letter minus 'a' plus "
      "'A' is its capital."}},
    {"IDLE",
     "ch21_event_select",
     2,
     "a client that is silent for 2 seconds is closed",
     "",
     idle_checks,
     {"half-close"},
     {"A time-out is not the same as silence of this client: while others talk, the wait never "
      "times out. What must be remembered for each client, and when must one look at it?",
      "Note GetTickCount64() in the client whenever bytes are received or sent. The wait lasts "
      "until the first client's time is over; without clients it lasts WSA_INFINITE.",
      "At the top of the loop of serve_until_stopped: close the clients whose time is over (from "
      "the last place to the first, because closing one moves those behind it), then wait for the "
      "shortest time that is left. WSA_WAIT_TIMEOUT means: go round once more. If the server was "
      "full, it accepts again."}},
    {"CHAT",
     "ch21_event_select",
     2,
     "each line goes to everybody else",
     "",
     chat_checks,
     {NULL},
     {"recv ends anywhere, in the middle of a line too; and send may be refused. So each client "
      "needs two places: one for the line that is not complete, one for what others have said.",
      "What others have said is a queue: append at the end, send from the front until it is "
      "empty or the system refuses. A refused send goes on at FD_WRITE, so after a refusal do not "
      "send before that.",
      "A client that is found too slow while somebody else is served must not be closed at once: "
      "the caller is still walking through the clients. Set its state to CLOSING, and close all "
      "that are CLOSING at the end of serve_client."}},
    {"CROWD",
     "ch21_event_select",
     3,
     "more than 62 clients, by more waiting threads",
     "",
     crowd_checks,
     {"half-close", "50 resets"},
     {"A wait takes 64 events, but each thread has a wait of its own. What is global now and must "
      "become part of a group: events, clients, event_count. Who accepts, and how does a client "
      "get into a group whose thread is waiting?",
      "A thread that waits does not see that its arrays have changed. So each group has an event "
      "in its wait that says: somebody has arrived; and a list of those, with a lock. Only the "
      "group's own thread changes events and clients.",
      "Stop: the main thread signals each group, and waits for the threads before it frees "
      "anything. What several threads count (bytes_echoed) needs InterlockedExchangeAdd64. A group "
      "counts a client when it is handed over, not when its thread gets to it, or a storm "
      "overfills it."}},
    {"GREETING",
     "ch22_overlapped_event",
     1,
     "each client is greeted before the first receive",
     "",
     greeting_checks,
     {NULL},
     {"The first operation of a client is a receive now, and becomes a send. Who begins the "
      "receive then? Follow what happens when any other send is complete.",
      "Put the greeting into client->buffer and its length into client->received, as if it had "
      "been received, and call send_rest. It is sent from the client's own buffer, because that "
      "lives as long as the operation.",
      "send_rest may be done at once (the state is RECEIVING again: begin the receive) or pending "
      "(serve_client goes on later) or fail (the state is CLOSING)."}},
    {"FRAME",
     "ch22_overlapped_event",
     2,
     "messages with their length in front, instead of a stream",
     "",
     frame_checks,
     {NULL},
     {"A receive ends anywhere: in the middle of a length, in the middle of a message, or behind "
      "the third one. So received bytes are collected, and only whole messages are sent.",
      "Receive behind what is there already: the WSABUF begins at client->buffer + "
      "client->received. The whole messages stand at the front of the buffer, one behind the "
      "other: "
      "count their bytes, and send these in one go.",
      "When they are sent, memmove what is left to the front. Is the buffer large enough for one "
      "message of 65,540 bytes? Compare a length with 65,536 before adding anything to it: as an "
      "unsigned number of 32 bits it may wrap around."}},
    {"WAITERS",
     "ch22_overlapped_event",
     3,
     "more than 62 clients, by more waiting threads",
     "",
     crowd_checks,
     {"half-close", "50 resets"},
     {"As CROWD of chapter 21: events, clients and event_count become part of a group with a "
      "thread of its own. What is different: here operations are in progress.",
      "An operation belongs to the thread that began it: Windows cancels it when that thread ends. "
      "So the group's thread begins the first receive, too, not the one that accepts.",
      "Stop: each thread cancels the operations of its own clients, waits for them and closes the "
      "clients before it ends; the main thread waits for all threads. operations_pending and "
      "bytes_echoed are counted by several threads: InterlockedIncrement and its family."}},
    {"FAREWELL",
     "ch22_completion_routine",
     1,
     "a last line to each client before it is closed",
     "",
     farewell_checks,
     {"Ctrl+C"},
     {"A receive of 0 bytes says that the client has sent all it wanted; it can still receive. The "
      "close must wait until the farewell is sent: in which routine does one know?",
      "Count the echoed bytes in the client. At 0 bytes: write the farewell into client->buffer, "
      "set received and sent, remember that this is the last send, and call send_rest.",
      "In send_completed: if all is sent and it was the last send, shutdown and CLOSING, instead "
      "of RECEIVING."}},
    {"DUPLEX",
     "ch22_completion_routine",
     2,
     "the next receive is in progress while the last bytes are being sent",
     "",
     duplex_checks,
     {"echoes 16 MiB", "half-close", "bytes and end", "50 resets", "never reads", "reads late",
      "Ctrl+C"},
     {"Two operations in progress need two OVERLAPPED and two buffers: what is being sent must not "
      "be overwritten. Draw which of the two buffers belongs to whom at each moment.",
      "There are four moments: a receive completes while a send is in progress (keep the bytes, "
      "begin nothing), or while none is (send them, receive into the other buffer); a send "
      "completes while bytes are kept (send them, receive), or while none are (nothing).",
      "A client may be freed only when neither operation is in progress. If one of them fails, "
      "cancel the other and wait for its routine. An end (0 bytes) that is received while a send "
      "is "
      "in progress is kept as well: the close comes after the last byte."}},
    {"TIMER",
     "ch22_completion_routine",
     3,
     "a client that is silent for 2 seconds is closed, by a waitable timer",
     "",
     idle_checks,
     {"half-close", "50 resets", "Ctrl+C"},
     {"SetWaitableTimer takes a routine too. It is called as the others are: by this thread, "
      "while it waits alertably. A timer for each client; when is it set, and set again?",
      "The timer's routine may not free the client: a receive or send is in progress. It cancels "
      "that operation; the operation's own routine is called with WSA_OPERATION_ABORTED and closes "
      "the client.",
      "CancelWaitableTimer also takes back a call of the routine that is due but has not happened; "
      "so call it before CloseHandle, and both before free. The time is relative if it is "
      "negative, in units of 100 ns."}},
    {"COUNT",
     "ch23_iocp",
     1,
     "how many bytes were echoed to a client, when it leaves",
     "--threads 4",
     count_checks,
     {"half-close"},
     {"Several threads count; does this number need a lock, or an Interlocked function? Read the "
      "comment above struct client.",
      "A client belongs to one thread at a time. So a plain member is enough; calloc has set it to "
      "0.",
      "Count in send_completed, next to bytes_echoed; print in close_client: closed, %lld bytes "
      "echoed."}},
    {"BATCH",
     "ch23_iocp",
     2,
     "GetQueuedCompletionStatusEx takes several packets with one call",
     "--threads 4",
     batch_checks,
     {"half-close", "50 resets", "Ctrl+C"},
     {"OVERLAPPED_ENTRY holds what the four pointers of GetQueuedCompletionStatus were for. The "
      "load client of this chapter calls the function already.",
      "Every entry must be served, also those behind a packet of the stop. And one call may take "
      "the stop packets of several workers: those would wait for ever.",
      "Count the stop packets of the batch; post all but one of them again. stop_serving takes "
      "packets with the same function. The result of an operation comes from "
      "WSAGetOverlappedResult, as before."}},
    {"ROOM",
     "ch23_iocp",
     3,
     "each line goes to everybody else, with several workers",
     "--threads 4",
     chat_checks,
     {NULL},
     {"The comment above struct client says why a client needs no lock. Which sentence of it is no "
      "longer true? Who owns a client when two workers write to it?",
      "A client has two operations now, a receive that is nearly always in progress and a send of "
      "what others have said: two OVERLAPPED, and the packet must tell which of them it is "
      "about. One lock for the whole room (list and queues) is enough to begin with.",
      "Free a client only when it is out of the list and neither operation is in progress: count "
      "them, under the lock. Begin a send while holding the lock, so that nobody else begins "
      "another one; a send that is done at once queues no packet, so go on in a loop."}},
    {NULL, NULL, 0, NULL, NULL, NULL, {NULL}, {NULL}},
};

const struct exercise *find_exercise(const char *name)
{
    for (const struct exercise *exercise = exercises; exercise->name != NULL; exercise++) {
        if (_stricmp(name, exercise->name) == 0)
            return exercise;
    }
    return NULL;
}

const char *build_command(void)
{
    const char *command = getenv("BUILD_COMMAND"); /* set by build.sh */
    return command != NULL ? command : "build.bat";
}

/* ---- hints --------------------------------------------------------------------------------- */

/* Prints words in lines of at most 80 characters. */
static void print_wrapped(const char *words)
{
    enum { WIDTH = 80 };
    while (strlen(words) > WIDTH) {
        int length = WIDTH;
        while (words[length] != ' ')
            length--;
        printf("%.*s\n", length, words);
        words += length + 1;
    }
    printf("%s\n", words);
}

bool print_hint(const struct exercise *exercise, int number, const char *folder)
{
    int count = 0;
    while (count < MOST_HINTS && exercise->hints[count] != NULL)
        count++;
    if (number < 1 || number > count) {
        fprintf(stderr, "%s has %d hints, and no hint %d\n", exercise->name, count, number);
        return false;
    }
    printf("%s, hint %d of %d\n\n", exercise->name, number, count);
    print_wrapped(exercise->hints[number - 1]);
    if (number < count)
        printf("\nThe next one: %s hint %s %s %d\n", build_command(), folder, exercise->name,
               number + 1);
    return true;
}

/* ---- reports ------------------------------------------------------------------------------- */

static FILE *report;

void begin_report(const char *build_folder, const char *exercise, const char *compiler)
{
    char path[400];
    SYSTEMTIME now;

    snprintf(path, sizeof path, "%s\\%s.txt", build_folder, exercise);
    report = fopen(path, "w");
    if (report == NULL)
        return;
    GetLocalTime(&now);
    fprintf(report, "%s of %s, %04d-%02d-%02d %02d:%02d, %s%s\n", exercise, build_folder, now.wYear,
            now.wMonth, now.wDay, now.wHour, now.wMinute, compiler,
            running_under_wine() ? ", Wine" : "");
}

void end_report(const char *last_line, ...)
{
    va_list arguments;

    if (report == NULL)
        return;
    va_start(arguments, last_line);
    vfprintf(report, last_line, arguments);
    va_end(arguments);
    fclose(report);
    report = NULL;
}

void say(const char *text, ...)
{
    va_list arguments;

    va_start(arguments, text);
    vprintf(text, arguments);
    va_end(arguments);
    fflush(stdout);
    if (report != NULL) {
        va_start(arguments, text);
        vfprintf(report, text, arguments);
        va_end(arguments);
    }
}

/* ---- the list ------------------------------------------------------------------------------ */

/* What the report in this folder of build says. False: there is none. */
static bool read_report(const char *folder, const char *name, char *score, char *origin,
                        size_t size)
{
    char path[400], line[200], first[200] = "";

    snprintf(path, sizeof path, "build\\%s\\%s.txt", folder, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        snprintf(first[0] == '\0' ? first : score, sizeof first, "%s", line);
    }
    fclose(file);
    const char *when = strstr(first, ", ");
    snprintf(origin, size, "(%s%s)", folder, when != NULL ? when : "");
    return true;
}

/* One line for each folder with a report on the exercise, or one without. */
static void print_exercise(const struct exercise *exercise)
{
    static const char columns[] = "    %-9s %-4.*s %-5s  %s %s\n";
    WIN32_FIND_DATAA entry;
    char score[200], origin[200];
    bool found = false;
    HANDLE search = FindFirstFileA("build\\*", &entry);

    if (search != INVALID_HANDLE_VALUE) {
        do {
            if (entry.cFileName[0] == '.' ||
                !read_report(entry.cFileName, exercise->name, score, origin, sizeof origin))
                continue;
            printf(columns, exercise->name, exercise->level, "***", score, exercise->goal, origin);
            found = true;
        } while (FindNextFileA(search, &entry));
        FindClose(search);
    }
    if (!found)
        printf(columns, exercise->name, exercise->level, "***", "-", exercise->goal, "");
}

void print_exercises(void)
{
    const char *chapter = "";

    for (const struct exercise *exercise = exercises; exercise->name != NULL; exercise++) {
        if (strcmp(chapter, exercise->chapter) != 0) {
            char state[200] = "not checked", origin[200] = "";
            chapter = exercise->chapter;
            read_report(chapter, "checks", state, origin, sizeof origin);
            printf("%s: %s %s\n", chapter, state, origin);
        }
        print_exercise(exercise);
    }
    printf("\nOne exercise, on a folder with your server.c: %s check FOLDER EXERCISE\n",
           build_command());
}
