/* names.c - the names that a loop knows, and those that it is asking for.
 *
 * A name is one record for all who want it. While it is asked for its waiters lie in its list; when the last of
 * them leaves, the question is dropped. A record that is known stays until its time is over, or until too many
 * were used after it. What could not be answered is forgotten with its last waiter. */
#include "core/dns/dns.h"
#include "core/dns/host.h"
#include "core/task/told.h"

#include <rill/mem.h>

#include <errno.h>
#include <string.h>

unsigned rill__dns_known_most = 1024, rill__dns_asking_most = 64;

struct lookup {
    struct rill__plain_wait plain;
    struct list link; /* in the name's waiters; off it when the answer is there */
    const char *name;
};

/* --- Life of a name. --- */

static struct list *bucket_of(struct rill__dns *dns, const char *name, int kind)
{
    uint32_t hash = 2166136261u ^ (uint32_t)kind;
    for (; *name != 0; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return &dns->buckets[(hash ^ hash >> 16) % RILL__DNS_BUCKETS];
}

static struct rill__dns_name *find(struct rill__dns *dns, const char *name, int kind, bool absolute)
{
    list_for_each(node, bucket_of(dns, name, kind)) {
        struct rill__dns_name *found = container_of(node, struct rill__dns_name, bucket);
        if (found->kind == kind && found->absolute == absolute && strcmp(found->name, name) == 0)
            return found;
    }
    return NULL;
}

static void free_name(struct rill__dns_name *name)
{
    rill_free(name->addrs);
    rill_free(name);
}

static void ask_next(struct rill__dns *dns);

/* Nobody finds it from now on. It goes with its last holder. */
static void forget(struct rill__dns_name *name)
{
    list_remove(&name->bucket);
    if (name->known && list_is_linked(&name->place)) {
        list_remove(&name->place);
        name->dns->known_count--;
    }
    if (name->holders == 0)
        free_name(name);
}

static void drop_question(struct rill__dns_name *name)
{
    list_remove(&name->place);
    if (name->question == NULL)
        return;
    rill__question_drop(name->question);
    name->question = NULL;
    name->dns->asking--;
    ask_next(name->dns);
}

void rill__dns_release(struct rill__dns_name *name)
{
    if (--name->holders > 0)
        return;
    if (!name->known)
        drop_question(name);
    if (!name->known || !list_is_linked(&name->bucket))
        forget(name);
}

/* --- Answers. --- */

static void wake(struct rill__dns_name *name)
{
    struct list *node;
    while ((node = list_pop_front(&name->waiters)) != NULL) {
        const struct lookup *lookup = container_of(node, struct lookup, link);
        rill__loop_ready(name->dns->loop, &lookup->plain.task->ready);
    }
}

static void keep(struct rill__dns_name *name, rill_time ttl)
{
    struct rill__dns *dns = name->dns;
    name->since = rill__loop_now(dns->loop);
    name->until = rill_time_add(name->since, ttl);
    list_push_back(&dns->known, &name->place);
    dns->known_count++;
    while (dns->known_count > rill__dns_known_most)
        forget(container_of(dns->known.next, struct rill__dns_name, place));
}

/* The answer is there; `ttl` 0: it is for those who wait now. The holders keep the name meanwhile. */
static void settle(struct rill__dns_name *name, int rc, rill_time ttl)
{
    name->rc = rc;
    name->known = true;
    wake(name);
    if (ttl > 0 && list_is_linked(&name->bucket))
        keep(name, ttl);
    else
        list_remove(&name->bucket);
}

static void on_answer(struct rill__question *question)
{
    struct rill__dns_name *name = question->arg;
    struct rill__dns *dns = name->dns;
    name->question = NULL;
    dns->asking--;
    name->count = question->count;
    if (question->count > 0)
        name->addrs = rill_resize(question->addrs, question->count * sizeof *question->addrs);
    if (name->addrs != NULL)
        question->addrs = NULL;
    else if (question->count > 0)
        question->rc = -ENOMEM;
    memcpy(name->host, question->host, sizeof name->host);
    memcpy(name->why, question->why, sizeof name->why);
    settle(name, question->rc, question->rc == -ENOMEM ? 0 : question->ttl);
    ask_next(dns);
}

/* --- Questions. --- */

static int ask(struct rill__dns_name *name)
{
    struct rill__dns *dns = name->dns;
    struct rill__question *question = rill__question_new(dns->loop, &dns->conf);
    if (question == NULL)
        return -ENOMEM;
    question->name = name->name;
    question->kind = name->kind;
    question->absolute = name->absolute;
    question->done = on_answer;
    question->arg = name;
    name->question = question;
    dns->asking++;
    rill__question_start(question);
    return 0;
}

static void ask_next(struct rill__dns *dns)
{
    struct list *node;
    while (dns->asking < rill__dns_asking_most && (node = list_pop_front(&dns->queue)) != NULL) {
        struct rill__dns_name *name = container_of(node, struct rill__dns_name, place);
        if (ask(name) < 0)
            settle(name, -ENOMEM, 0);
    }
}

/* A name that is asked for, in its turn. NULL: no memory. */
static struct rill__dns_name *want(struct rill__dns *dns, const char *text, int kind, bool absolute)
{
    size_t size = strlen(text) + 1;
    struct rill__dns_name *name = rill_alloc_zero(1, sizeof *name + size);
    if (name == NULL)
        return NULL;
    memcpy(name->name, text, size);
    name->dns = dns;
    name->kind = kind;
    name->absolute = absolute;
    list_init(&name->waiters);
    if (dns->asking >= rill__dns_asking_most) {
        list_push_back(&dns->queue, &name->place);
    } else if (ask(name) < 0) {
        rill_free(name);
        return NULL;
    }
    list_push_back(bucket_of(dns, text, kind), &name->bucket);
    return name;
}

/* --- Waiting. --- */

static const rill_table_wait tells_dns = { .what = "DNS look-up",
                                           .name = RILL__AT(struct lookup, name) };

static int wait_for(struct rill__task *task, struct rill__dns_name *name)
{
    struct lookup lookup = { .plain = rill__plain_wait(task, &tells_dns), .name = name->name };
    list_push_back(&name->waiters, &lookup.link);
    int r = rill__plain_park(&lookup.plain);
    list_remove(&lookup.link);
    return r;
}

static struct rill__dns_name *known(struct rill__dns *dns, const char *text, int kind,
                                    bool absolute)
{
    struct rill__dns_name *name = find(dns, text, kind, absolute);
    if (name == NULL || !name->known)
        return name;
    if (name->until <= rill__loop_now(dns->loop)) {
        forget(name);
        return NULL;
    }
    list_remove(&name->place);
    list_push_back(&dns->known, &name->place);
    return name;
}

static void forget_all(struct rill__dns *dns)
{
    for (size_t i = 0; i < RILL__DNS_BUCKETS; i++)
        while (!list_is_empty(&dns->buckets[i]))
            forget(container_of(dns->buckets[i].next, struct rill__dns_name, bucket));
}

void rill__dns_forget_older(const char *host, rill_time age)
{
    char text[RILL__DNS_NAME];
    struct rill_loop *loop = rill__loop_running;
    if (loop == NULL || loop->dns == NULL || rill__host_name(host, text, sizeof text) < 0)
        return;
    struct rill__dns_name *name = find(loop->dns, text, AF_UNSPEC, host[strlen(host) - 1] == '.');
    if (name != NULL && name->known && rill_time_add(name->since, age) <= rill__loop_now(loop))
        forget(name);
}

int rill__dns_look_up(struct rill__task *task, struct rill__dns *dns, const char *text, int kind,
                      bool absolute, struct rill__dns_name **ret_name)
{
    struct rill__dns_name *name = known(dns, text, kind, absolute);
    if (name == NULL)
        name = want(dns, text, kind, absolute);
    if (name == NULL)
        return -ENOMEM;
    name->holders++;
    int r = name->known ? rill__await_ready(task, 0) : wait_for(task, name);
    if (r < 0)
        rill__dns_release(name);
    else
        *ret_name = name;
    return r;
}

/* --- The resolver of a loop. --- */

static int new_dns(struct rill_loop *loop, const rill_dns_opts *opts)
{
    struct rill__dns *dns = rill_alloc_zero(1, sizeof *dns);
    int r = dns != NULL ? rill__dns_conf_init(&dns->conf, opts) : -ENOMEM;
    if (r < 0) {
        rill_free(dns);
        return r;
    }
    dns->loop = loop;
    list_init(&dns->known);
    list_init(&dns->queue);
    for (size_t i = 0; i < RILL__DNS_BUCKETS; i++)
        list_init(&dns->buckets[i]);
    loop->dns = dns;
    return 0;
}

int rill__dns_of_loop(struct rill_loop *loop, struct rill__dns **ret_dns)
{
    int r = loop->dns == NULL ? new_dns(loop, NULL) : 0;
    if (r == 0)
        r = rill__dns_conf_look(&loop->dns->conf, rill__loop_now(loop));
    if (r < 0)
        return r;
    if (r > 0)
        forget_all(loop->dns);
    *ret_dns = loop->dns;
    return 0;
}

/* What is in force, and what was known by it, gives way to `conf`. 0; -ENOMEM. */
static int replace_conf(struct rill__dns *dns, struct rill__dns_conf *conf)
{
    int r = rill__dns_conf_look(conf, rill__loop_now(dns->loop)); /* those under way have servers */
    if (r < 0) {
        rill__dns_conf_fini(conf);
        return r;
    }
    rill__dns_conf_fini(&dns->conf);
    dns->conf = *conf;
    forget_all(dns);
    return 0;
}

int rill_dns_configure(const rill_dns_opts *opts)
{
    struct rill_loop *loop = rill__loop_running;
    if (loop == NULL)
        return -ESRCH;
    if (loop->dns == NULL)
        return new_dns(loop, opts);
    struct rill__dns_conf *conf = rill_alloc(sizeof *conf);
    int r = conf != NULL ? rill__dns_conf_init(conf, opts) : -ENOMEM;
    if (r == 0)
        r = replace_conf(loop->dns, conf);
    rill_free(conf);
    return r;
}

void rill__dns_end(struct rill_loop *loop)
{
    struct rill__dns *dns = loop->dns;
    if (dns == NULL)
        return;
    forget_all(dns);
    rill__dns_conf_fini(&dns->conf);
    rill_free(dns);
    loop->dns = NULL;
}
