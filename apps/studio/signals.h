/* The system asks the studio to end: SIGTERM, SIGINT or SIGHUP; on Windows Ctrl-C or its console's end. It then saves, as when its window is closed. */
#ifndef STUDIO_SIGNALS_H
#define STUDIO_SIGNALS_H

#include <stdbool.h>

/* `wake` ends the window's wait where that can be done at once. Without a call of signals_came at least twice a second the answer is late. */
void signals_open(void (*wake)(void));
bool signals_came(void);
/* Before the program returns: all is saved. */
void signals_close(void);

#endif
