/* deal.h - which worker accepts on which socket, brought about by messages. */
#pragma once

#include "server/master.h"

/* Tell the workers until each socket is served by those who should: its slot, or the lowest serving
 * worker. Sets deal_again if a worker could not be told now. */
void deal_sockets(struct master *master);
