/* rill.h - asyncio for C on io_uring: everything; the conventions that hold everywhere, and a tutorial.
 *
 * rill runs many things at once in one thread. Each is a coroutine: a plain C function on a small stack of
 * its own, which may wait anywhere inside, also in functions that it calls, while the others go on. Who
 * knows Python's asyncio knows rill; who knows neither can read on, program by program.
 *
 *
 * 1. A COROUTINE, A TASK, A LOOP
 *
 * A coroutine function is `int fn(void *arg)`. RILL_CORO(fn, arg) is a coroutine object, and runs nothing
 * yet. rill_run makes a loop and a task of it, runs it until it returns, and returns what it returned. There
 * is no keyword: to await a coroutine is to call it, in the same task and on the same stack.
 *
 *     #include <rill.h>
 *     #include <stdio.h>
 *
 *     static int say(const char *what, rill_time after)
 *     {
 *         int rc = rill_sleep(after);
 *         if (rc == 0)
 *             puts(what);
 *         return rc;
 *     }
 *
 *     static int start(void *arg)
 *     {
 *         int rc = say("hello", RILL_MS(20));
 *         return rc < 0 ? rc : say(arg, RILL_MS(10));
 *     }
 *
 *     int main(void)
 *     {
 *         static char name[] = "world";
 *         return rill_exit_code(rill_run(RILL_CORO(start, name)));
 *     }
 *     -> hello
 *     -> world
 *
 * A result is an int: 0 or more is success, less is an error. A function that may suspend its task is marked
 * RILL_SUSPENDS, and dropping its result is a warning: the result may say that the task was cancelled.
 *
 *
 * 2. SEVERAL AT ONCE
 *
 * rill_create_task starts a coroutine beside the running one, from the next turn of the loop on. It gives a
 * task: a future that will hold the code and the value. rill_await waits for one; rill_gather waits for
 * all and fails as soon as one fails; rill_wait and rill_as_completed_* wait for some, or for each in order
 * of its end (wait.h). A task's value is what it stored by rill_return_ptr, _copy or _fmt.
 *
 *     #include <rill.h>
 *     #include <stdio.h>
 *
 *     static int work(void *arg)
 *     {
 *         int n = *(int *)arg, rc = rill_sleep(RILL_MS(20 * n));
 *         return rc < 0 ? rc : rill_return_fmt("%d squared is %d", n, n * n);
 *     }
 *
 *     static int start(void *arg)
 *     {
 *         int *n = arg;
 *         rill_task *tasks[] = { rill_create_task(RILL_CORO(work, &n[0])),
 *                                rill_create_task(RILL_CORO(work, &n[1])) };
 *         int rc = rill_join(rill_gather(2, tasks, 0));
 *         for (int i = 0; i < 2; i++) {
 *             if (rc >= 0)
 *                 puts(rill_value(tasks[i]));
 *             rill_unref(tasks[i]);
 *         }
 *         return rc;
 *     }
 *
 *     int main(void)
 *     {
 *         int numbers[] = { 3, 2 };
 *         return rill_exit_code(rill_run(RILL_CORO(start, numbers)));
 *     }
 *     -> 3 squared is 9
 *     -> 2 squared is 4
 *
 * That takes 60 ms, not 100. What a call gives counts as one reference: rill_join waits and drops it,
 * rill_unref drops it. `arg` must live as long as the task that uses it.
 *
 *
 * 3. DEADLINES AND CANCELS
 *
 * A timeout scope is a deadline for all that happens between enter and leave, however deep. When it comes,
 * the call that waits returns -ECANCELED; the functions clean up and hand that on, and rill_scope_leave makes
 * -ETIME of it. rill_cancel asks any task in the same way. A cancel is a return value: nothing is unwound,
 * each function always returns, and what it began it can end.
 *
 *     #include <rill.h>
 *     #include <stdio.h>
 *
 *     static int slow(void)
 *     {
 *         int rc = rill_sleep(RILL_SEC(60));
 *         if (rc == -ECANCELED)
 *             puts("cleaning up");
 *         return rc;
 *     }
 *
 *     static int start(void *arg)
 *     {
 *         rill_scope scope = { 0 };
 *         int rc = rill_timeout(&scope, RILL_MS(30));
 *         if (rc == 0)
 *             rc = rill_scope_leave(&scope, slow());
 *         puts(rc == -ETIME ? "too late" : rill_strerror(rc));
 *         return arg == NULL && rc == -ETIME ? 0 : rc;
 *     }
 *
 *     int main(void)
 *     {
 *         return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
 *     }
 *     -> cleaning up
 *     -> too late
 *
 *
 * 4. GROUPS: NOTHING IS LEFT BEHIND
 *
 * Tasks that belong together run in a group. rill_group_leave waits for all of them; the first that fails
 * cancels the others and the block, and its error is what leave returns. So a function that starts tasks
 * returns when they have ended, whatever happened.
 *
 *     #include <rill.h>
 *     #include <stdio.h>
 *
 *     static int patient(void *arg)
 *     {
 *         int rc = rill_sleep(RILL_SEC(60));
 *         printf("%s: %s\n", (const char *)arg, rill_errname(rc));
 *         return rc;
 *     }
 *
 *     static int failing(void *arg)
 *     {
 *         int rc = rill_sleep(RILL_MS(10));
 *         return rc < 0 ? rc : rill_fail(-EIO, "%s is broken", (const char *)arg);
 *     }
 *
 *     static int start(void *arg)
 *     {
 *         static char first[] = "the first", second[] = "the second";
 *         rill_group group = { 0 };
 *         int rc = rill_group_enter(&group);
 *         if (rc < 0)
 *             return rc;
 *         rc = rill_group_go(&group, RILL_CORO(patient, first));
 *         if (rc == 0)
 *             rc = rill_group_go(&group, RILL_CORO(failing, second));
 *         rc = rill_group_leave(&group, rc);
 *         for (const rill_err *err = rill_group_errors(&group); err != NULL; err = err->next)
 *             printf("%s (%s)\n", err->msg, rill_errname(err->code));
 *         rill_group_fini(&group);
 *         return arg == NULL && rc == -EIO ? 0 : rc;
 *     }
 *
 *     int main(void)
 *     {
 *         return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
 *     }
 *     -> the first: ECANCELED
 *     -> the second is broken (EIO)
 *
 *
 * 5. GENERATORS
 *
 * A generator gives value after value, each when its caller asks for it, and can be sent values in return.
 * It needs no loop; in a task it may await like everybody else (gen.h).
 *
 *     #include <rill.h>
 *     #include <stdio.h>
 *
 *     static int fibonacci(void *arg)
 *     {
 *         intptr_t a = 0, b = 1, rc = 0;
 *         for (int i = *(int *)arg; i > 0 && rc == 0; i--) {
 *             intptr_t next = a + b;
 *             rc = rill_yield((void *)a, NULL);
 *             a = b;
 *             b = next;
 *         }
 *         return (int)rc;
 *     }
 *
 *     int main(void)
 *     {
 *         int count = 10;
 *         rill_gen *gen;
 *         void *value;
 *         int rc = rill_gen_new(fibonacci, &count, &gen);
 *         if (rc < 0)
 *             return rill_exit_code(rc);
 *         while ((rc = rill_gen_next(gen, &value)) > 0)
 *             printf("%d ", (int)(intptr_t)value);
 *         puts("...");
 *         rill_gen_free(gen);
 *         return rill_exit_code(rc);
 *     }
 *     -> 0 1 1 2 3 5 8 13 21 34 ...
 *
 *
 * 6. FILES
 *
 * Files are read and written by the kernel while the task waits and others run; no thread of ours is behind
 * it. Everything that a call is given must stay as it is until the call returns.
 *
 *     #include <rill.h>
 *     #include <fcntl.h>
 *     #include <stdio.h>
 *
 *     static int start(void *arg)
 *     {
 *         char text[64];
 *         size_t got = 0;
 *         int fd = rill_file_open(arg, O_RDWR | O_CREAT | O_TRUNC, 0600);
 *         if (fd < 0)
 *             return fd;
 *         int rc = rill_file_write_all(fd, "drop by drop\n", 13, 0, NULL);
 *         if (rc == 0)
 *             rc = rill_file_read_exactly(fd, text, 13, 0, &got);
 *         printf("%.*s", (int)got, text);
 *         rc = rill_first_error(rc, rill_file_unlink(arg));
 *         return rill_first_error(rc, rill_file_close(fd));
 *     }
 *
 *     int main(void)
 *     {
 *         static char path[] = "tutorial.tmp";
 *         return rill_exit_code(rill_run(RILL_CORO(start, path)));
 *     }
 *     -> drop by drop
 *
 *
 * 7. BETWEEN TASKS
 *
 * Tasks of one loop share memory without locks, for nothing else runs between two calls that suspend. What
 * must stay as it is across such a call is protected by a lock, an event, a condition, a semaphore or a
 * barrier (sync.h). A queue hands items from task to task; its bound slows a fast producer down.
 *
 *     #include <rill.h>
 *     #include <stdio.h>
 *
 *     static int consumer(void *arg)
 *     {
 *         void *item;
 *         int rc;
 *         while ((rc = rill_queue_get(arg, &item)) == 0)
 *             puts(item);
 *         return rc == -ESHUTDOWN ? 0 : rc;
 *     }
 *
 *     static int start(void *arg)
 *     {
 *         static char items[][8] = { "one", "two", "three", "four" };
 *         rill_queue *queue = arg;
 *         rill_task *task = rill_create_task(RILL_CORO(consumer, queue));
 *         int rc = 0;
 *         for (int i = 0; i < 4 && rc == 0; i++)
 *             rc = rill_queue_put(queue, items[i]);
 *         rill_queue_shutdown(queue, false);
 *         return rill_first_error(rc, rill_join(task));
 *     }
 *
 *     int main(void)
 *     {
 *         rill_queue queue;
 *         int rc = rill_queue_init(&queue, &(rill_queue_opts){ .maxsize = 2 });
 *         if (rc == 0)
 *             rc = rill_run(RILL_CORO(start, &queue));
 *         rill_queue_fini(&queue);
 *         return rill_exit_code(rc);
 *     }
 *     -> one
 *     -> two
 *     -> three
 *     -> four
 *
 *
 * 8. CONNECTIONS
 *
 * A stream is a connection, both directions: it reads ahead up to a limit, and a write waits while too much
 * is unsent, so memory is bounded. A server starts a task for each connection, and closes it when the handler
 * returns (stream.h). Here the program is its own client.
 *
 *     #include <rill.h>
 *     #include <ctype.h>
 *     #include <stdio.h>
 *
 *     static int shout(rill_stream *stream, void *arg)
 *     {
 *         char text[64];
 *         int got;
 *         while ((got = rill_stream_read(stream, text, sizeof text)) > 0) {
 *             for (int i = 0; i < got; i++)
 *                 text[i] = (char)toupper((unsigned char)text[i]);
 *             int rc = rill_stream_write(stream, text, (size_t)got, NULL);
 *             if (rc < 0)
 *                 return rc;
 *             *(int *)arg += got;
 *         }
 *         return got;
 *     }
 *
 *     static int talk(rill_addr to)
 *     {
 *         rill_stream *stream;
 *         rill_span line;
 *         int rc = rill_stream_connect(&to, NULL, &stream);
 *         if (rc < 0)
 *             return rc;
 *         rc = rill_stream_write(stream, "drop by drop\n", 13, NULL);
 *         if (rc >= 0)
 *             rc = rill_stream_read_line(stream, &line);
 *         if (rc > 0)
 *             printf("%.*s", (int)line.size, line.at);
 *         rill_stream_close(stream);
 *         rill_stream_unref(stream);
 *         return rc < 0 ? rc : 0;
 *     }
 *
 *     static int start(void *arg)
 *     {
 *         rill_server *server;
 *         int rc = rill_start_server("127.0.0.1", 0, shout, arg, NULL, &server);
 *         if (rc < 0)
 *             return rc;
 *         rc = talk(rill_server_address(server));
 *         rill_server_close(server);
 *         rc = rill_first_error(rc, rill_server_wait_closed(server));
 *         rill_server_free(server);
 *         return rc;
 *     }
 *
 *     int main(void)
 *     {
 *         int octets = 0, rc = rill_run(RILL_CORO(start, &octets));
 *         printf("%d octets shouted\n", octets);
 *         return rill_exit_code(rc);
 *     }
 *     -> DROP BY DROP
 *     -> 13 octets shouted
 *
 *
 * 9. HTTP
 *
 * A session asks servers: it keeps connections, bounds how many there are and how long they take, follows
 * redirects and keeps cookies (client.h). A request returns when the head of the response is there; the body
 * is read as it is asked for. Here the program is its own server.
 *
 *     #include <rill.h>
 *     #include <stdio.h>
 *
 *     static int serve(rill_stream *stream, void *arg)
 *     {
 *         static const char moved[] = "HTTP/1.1 302 Found\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n";
 *         static const char here[] = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\ndrop by drop";
 *         rill_span head;
 *         int rc;
 *         (void)arg;
 *         while ((rc = rill_stream_read_until(stream, &RILL_SPAN("\r\n\r\n"), 1, &head)) > 0) {
 *             const char *answer = strncmp(head.at, "GET /old ", 9) == 0 ? moved : here;
 *             rc = rill_stream_write(stream, answer, strlen(answer), NULL);
 *             if (rc < 0)
 *                 return rc;
 *         }
 *         return rc == -ENODATA ? 0 : rc;
 *     }
 *
 *     static int get(rill_http_session *session, const char *url)
 *     {
 *         rill_http_response *response;
 *         rill_span body;
 *         int rc = rill_http_get(session, url, NULL, &response);
 *         if (rc < 0)
 *             return rc;
 *         rc = rill_http_read_all(response, 1 << 20, &body);
 *         if (rc == 0)
 *             printf("%d %s\n", rill_http_status(response), body.at);
 *         rill_http_close(response);
 *         return rc;
 *     }
 *
 *     static int start(void *arg)
 *     {
 *         char base[64];
 *         rill_http_session_opts opts = { .base_url = base, .total = RILL_SEC(10) };
 *         rill_http_session *session;
 *         rill_server *server = arg;
 *         int rc = rill_start_server("127.0.0.1", 0, serve, NULL, NULL, &server);
 *         if (rc < 0)
 *             return rc;
 *         rill_addr at = rill_server_address(server);
 *         snprintf(base, sizeof base, "http://127.0.0.1:%u/", rill_addr_port(&at));
 *         rc = rill_http_session_new(&opts, &session);
 *         if (rc == 0) {
 *             rc = get(session, "old");
 *             rc = rill_first_error(rc, rill_http_session_close(session));
 *         }
 *         rill_server_close(server);
 *         rc = rill_first_error(rc, rill_server_wait_closed(server));
 *         rill_server_free(server);
 *         return rc;
 *     }
 *
 *     int main(void)
 *     {
 *         return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
 *     }
 *     -> 200 drop by drop
 *
 *
 * 10. THE SAME PROGRAM IN A SIMULATOR
 *
 * A loop can run on a simulator in the place of the kernel (sim.h): time jumps to the next event, the network
 * is made up, and a seed decides all that is left to chance. One seed, one behaviour, step by step; so tests
 * are fast, and what went wrong once goes wrong again.
 *
 *     #include <rill.h>
 *     #include <stdio.h>
 *
 *     static int start(void *arg)
 *     {
 *         rill_time begin = rill_now();
 *         int rc = rill_sleep(RILL_SEC(*(int *)arg));
 *         printf("%d seconds later\n", (int)((rill_now() - begin) / RILL_SEC(1)));
 *         return rc;
 *     }
 *
 *     int main(void)
 *     {
 *         uint64_t hash[2];
 *         int hour = 3600, rc = 0;
 *         for (int i = 0; i < 2 && rc == 0; i++) {
 *             rill_sim_opts sim = { .seed = 17, .shuffle = true, .ret_hash = &hash[i] };
 *             rc = rill_run_with(RILL_CORO(start, &hour), &(rill_loop_opts){ .sim = &sim });
 *         }
 *         if (rc == 0)
 *             puts(hash[0] == hash[1] ? "the same twice" : "not the same");
 *         return rill_exit_code(rc);
 *     }
 *     -> 3600 seconds later
 *     -> 3600 seconds later
 *     -> the same twice
 *
 *
 * ASYNCIO'S WORDS
 *
 *   async def f(x)                    int f(void *arg)         await f(x)          f(&x)
 *   asyncio.run(f())                  rill_run, rill_run_with  Runner              rill_runner_*
 *   create_task, ensure_future        rill_create_task, rill_ensure_future
 *   await task, await future          rill_await, rill_join    loop.create_future  rill_future_new
 *   task.result(), .exception()       rill_result and rill_value, rill_error
 *   return value                      rill_return_ptr, _copy, _fmt
 *   raise SomeError("text")           return rill_fail(-ESOME, "text")
 *   task.cancel(), .uncancel()        rill_cancel, rill_uncancel, rill_cancelling
 *   CancelledError                    -ECANCELED               TimeoutError        -ETIME
 *   InvalidStateError                 -EINPROGRESS, -EALREADY  finally:            the next lines; rill_defer
 *   sleep                             rill_sleep               sleep(d, result)    rill_sleep_future
 *   gather, wait, as_completed        rill_gather, rill_wait, rill_as_completed_*
 *   wait_for, timeout, timeout_at     rill_wait_for, rill_timeout, rill_timeout_at
 *   shield                            rill_shield              TaskGroup           rill_group_*
 *   current_task, all_tasks           rill_current_task, rill_all_tasks
 *   task.get_name, task.get_stack     rill_task_name, rill_backtrace
 *   ContextVar, copy_context          rill_var_get, _set and _reset, rill_context_copy
 *   set_exception_handler             rill_loop_set_error_handler
 *   debug, slow_callback_duration     `strict` and `slow` of rill_loop_opts
 *   call_soon, call_later, call_at    rill_call_soon, rill_call_later, rill_call_at
 *   call_soon_threadsafe              rill_call_soon_threadsafe
 *   get_running_loop, get_event_loop  rill_get_running_loop, rill_get_event_loop
 *   run_until_complete, run_forever   rill_run_until_complete, rill_run_forever
 *   loop.time()                       rill_now                 add_done_callback   rill_add_done_callback
 *   yield, next, send, throw, close   rill_yield, rill_gen_*   yield from          rill_yield_from
 *   Lock, Event, Condition            rill_lock_*, rill_event_*, rill_condition_*
 *   Semaphore, BoundedSemaphore       rill_semaphore_*         Barrier             rill_barrier_*
 *   Queue, LifoQueue, PriorityQueue   rill_queue_*
 *   open_connection, start_server     rill_open_connection, rill_start_server; Unix sockets likewise
 *   StreamReader, StreamWriter        rill_stream_*            Server              rill_server_*
 *   StreamWriter.start_tls, ssl=...   rill_stream_start_tls    SSLContext          rill_tls_context_*
 *   to_thread, run_in_executor        rill_to_thread, rill_run_in_executor
 *   ThreadPoolExecutor, submit        rill_executor_new, rill_executor_submit
 *   run_coroutine_threadsafe          rill_run_coroutine_threadsafe; concurrent.futures.Future is rill_job
 *   wrap_future                       rill_wrap_future         add_signal_handler  rill_add_signal_handler
 *   create_subprocess_exec, _shell    rill_process_start, rill_process_start_shell
 *   Process.communicate, .wait, .kill rill_process_communicate, _wait, _kill, _terminate, _send_signal
 *   loop.getaddrinfo, getnameinfo     rill_getaddrinfo, rill_getnameinfo, rill_dns_configure
 *   loop.sock_recv and its like       rill_recv, rill_send_all, rill_accept, rill_connect, rill_udp_*
 *   multiprocessing                   rill_run_workers
 *   aiohttp.ClientSession             rill_http_session_*      ClientResponse      rill_http_status, _header, _read
 *   session.get, .post, .request      rill_http_get, rill_http_post, rill_http_request
 *
 *
 * CONVENTIONS
 *
 * ERRORS are values: 0 or more is success, less is -errno. Outputs come last and are set on success only,
 * except those that report progress (`got`, `sent`, `taken`). rill_fail gives a code a text, which travels
 * with it to whoever reads rill_error. An error that nobody takes is told once, on standard error. These
 * codes have one meaning each:
 *   -ECANCELED    this task, or what it awaited, was cancelled: clean up and hand it on
 *   -ETIME        a deadline of ours passed (-ETIMEDOUT is the kernel's: the peer fell silent)
 *   -ESHUTDOWN    closed by us                -EINPROGRESS  the result is not there yet
 *   -EALREADY     done before                 -EDEADLK      awaiting oneself
 *   -EXDEV        object of another loop      -ESRCH        no loop runs here, or no task
 *   -EBUSY        already in use              -ENODATA      the stream ended before
 *   -EPERM        not allowed on this object  -EINVAL       bad argument, or the wrong state for the call
 *
 * SUSPENSION. Only a call marked RILL_SUSPENDS lets other tasks run, so data that is touched between two
 * such calls needs no lock. After one, read shared state again. Each is a cancellation point unless its doc
 * says otherwise; one cancel is delivered once. Never turn an error into -ECANCELED, never swallow one
 * without a reason. A buffer that is handed to such a call belongs to the kernel until it returns. Callbacks
 * run on the loop's own stack and must not suspend. A plain blocking call (read, getaddrinfo) is allowed, and
 * stops every task of its thread.
 *
 * OWNERSHIP. A call borrows its arguments unless it says that it takes or gives. Futures, tasks and gathers
 * are counted: who makes one holds a reference, rill_join and rill_unref drop it. A task that was begun
 * always runs to its return, also if nobody holds it. Calls that give a future never return NULL: on failure
 * it is one that has failed already. Scopes, groups, locks and events lie in the caller's memory, valid when
 * zeroed; queues and the rest have init and fini. Every destroyer takes NULL.
 *
 * THREADS. A loop and its objects belong to the thread that runs it; several threads may each run one.
 * rill_call_soon_threadsafe is the call for other threads. After a fork the child has no running loop.
 *
 * UNITS. Time is rill_time, nanoseconds of the loop's clock: RILL_MS(5), RILL_SEC(2), RILL_FOREVER. A span is
 * a length, a deadline a point. Sizes are octets.
 *
 * STACKS. A task has 64 KiB, or what its stack_size says, and one more that it cannot use: running into it is
 * reported with the task's name. Large buffers belong on the heap.
 *
 *
 * THE HEADERS
 *
 *   base.h     marks, version, names of errors         time.h     nanoseconds
 *   mem.h      allocation, arenas                      text.h     spans of text, bounded building and parsing
 *   loop.h     run, options, calls later, workers      future.h   results that come later
 *   task.h     tasks, sleep, values, errors, cancel    gen.h      generators
 *   wait.h     gather, wait, as_completed, shield      timeout.h  scopes with a deadline
 *   group.h    task groups                             stream.h   connections: both directions, back-pressure
 *   sync.h     lock, event, condition, semaphore, barrier
 *   queue.h    bounded queue: fifo, lifo, priority     var.h      values that belong to a task
 *   inspect.h  what tasks do and wait for; dumps       sim.h      the simulator
 *   net.h      addresses, sockets, datagrams           file.h, dir.h  files and directories
 *   dns.h      names looked up                         tls.h      TLS on connections
 *   executor.h blocking functions in threads           process.h  programs, and pipes to them
 *   signal.h   signals as calls or values
 *   http.h     HTTP/1.1 engine without I/O             client.h   HTTP client session
 *   table.h    what a reader in another process finds where
 */
#pragma once

#include <rill/base.h>
#include <rill/client.h>
#include <rill/dir.h>
#include <rill/dns.h>
#include <rill/executor.h>
#include <rill/file.h>
#include <rill/future.h>
#include <rill/gen.h>
#include <rill/group.h>
#include <rill/http.h>
#include <rill/inspect.h>
#include <rill/loop.h>
#include <rill/mem.h>
#include <rill/net.h>
#include <rill/process.h>
#include <rill/queue.h>
#include <rill/signal.h>
#include <rill/sim.h>
#include <rill/stream.h>
#include <rill/sync.h>
#include <rill/table.h>
#include <rill/task.h>
#include <rill/text.h>
#include <rill/time.h>
#include <rill/timeout.h>
#include <rill/tls.h>
#include <rill/var.h>
#include <rill/wait.h>
