/* tls.h - TLS on streams: a connected stream is upgraded in place, and is read and written as before.
 *
 * A context holds what many connections share: whom to trust, who we are, what is spoken above TLS. A client checks
 * that the server's certificate is trusted, valid now, and for the name that it asked for. Sessions are resumed.
 * TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only; no renegotiation, no compression, no
 * early data. The machine's OpenSSL does the work, on the loop's own stack.
 *
 * What changes for the calls of stream.h: octets are plaintext everywhere, but rill_stream_delivered counts what
 * goes over the wire. What was written within a turn goes out in one record, or more from 16 KiB on. A write that is
 * cancelled has sent the octets that `taken` counts, and no others. rill_stream_write_eof and rill_stream_close tell
 * the other side by a close_notify; after the first one reading goes on. An end that the other side did not announce
 * so is a cut: reading gets -ECONNRESET. What is not TLS, or was changed on the way, breaks the connection with
 * -EPROTO. A received record, up to 16 KiB, may come on top of the read limit. rill_stream_sendfile reads the file
 * and encrypts it. A message of TLS itself wakes nobody, no parked stream either.
 *
 *     rill_stream *s;
 *     int rc = rill_open_connection("example.org", 443, NULL, &s);
 *     if (rc == 0)
 *         rc = rill_stream_start_tls(s, &(rill_tls_opts){ .server_name = "example.org" });
 *
 * A server calls it first thing in its handler, with a context that has a certificate:
 *
 *     static int serve(rill_stream *s, void *arg) {
 *         int rc = rill_stream_start_tls(s, &(rill_tls_opts){ .context = arg });
 *         return rc < 0 ? rc : rill_stream_write(s, "hello\n", 6, NULL);
 *     }
 */
#pragma once

#include <rill/base.h>
#include <rill/text.h>

typedef struct rill_stream rill_stream;

/* What connections share. It may be used by several threads. */
typedef struct rill_tls_context rill_tls_context;

/* A certificate for those clients of a server who ask for one name. */
typedef struct rill_tls_host {
    const char *name;        /* "www.example.org", or "*.example.org" for one label in front */
    const char *certificate; /* PEM, as that of the context */
    const char *key;
} rill_tls_host;

/* All zero: a client that trusts whom the system trusts. */
typedef struct rill_tls_context_opts {
    bool server;
    const char
        *ca_file; /* PEM: trust these alone; a server that has them asks clients for certificates */
    const char
        *ca_dir; /* or these, named by their hash as openssl-rehash(1) does it; read when needed */
    const char *certificate; /* PEM: ours, and those between it and the root; a server needs it */
    const char *key;         /* PEM, not encrypted; NULL: it is in the file of the certificate */
    const rill_tls_host *hosts; /* of a server; who asks for none of them gets `certificate` */
    size_t host_count;
    const char *const
        *alpn;     /* protocols above TLS, the best one first, NULL at the end; NULL: none */
    bool insecure; /* a client that checks no certificate: whoever answers is believed */
} rill_tls_context_opts;

typedef struct rill_tls_opts {
    rill_tls_context *context; /* NULL: one for all clients that trusts whom the system trusts; the
                                  first one reads their certificates, which takes some 20 ms */
    const char
        *server_name; /* of a client: the name or numeric address that the certificate must be for;
                                  needed, unless it checks none */
} rill_tls_opts;

#ifdef __cplusplus
extern "C" {
#endif

/** What connections share. The files are read at once, by plain calls that block.
 *  Returns: 0 and the context; -EINVAL (a server without certificate, a key that is not the certificate's, a file
 *           that is not PEM, a bad list of protocols or hosts; in a task rill_last_error says which); as open(2);
 *           -ENOMEM.
 *  Owns: gives one reference.   Thread: any.   Like: ssl.SSLContext, ssl.create_default_context.   Since: 0.1 */
RILL_API int rill_tls_context_new(const rill_tls_context_opts *opts,
                                  rill_tls_context **ret_context);

/** One more reference.   Returns: `context`.   Owns: gives one.   Thread: any.   Since: 0.1 */
RILL_API rill_tls_context *rill_tls_context_ref(rill_tls_context *context);

/** Drop one reference. With the last one the context goes; connections keep what they use.
 *  Returns: nothing.   Owns: takes the reference; NULL is fine.   Thread: any.   Since: 0.1 */
RILL_API void rill_tls_context_unref(rill_tls_context *context);

/** Speak TLS on the connected `stream` from now on. What was written before goes out as it is; octets that were not
 *  read are taken for the other side's handshake, and never given to a reader. A stream that speaks TLS may begin a
 *  second connection inside of the first, say with the server behind a proxy: what is told of it is the second then.
 *  Returns: 0; -EINVAL (a client without name); -EALREADY (it speaks TLS inside TLS already); -EBUSY (another task
 *           reads it, or it is parked); -EKEYREJECTED (the other side's certificate is not trusted, expired, or for another name);
 *           -EPROTO (the two do not agree, or the other side does not speak TLS); -ECONNRESET (it ended the
 *           connection); -ECANCELED; -ENOMEM; else as rill_stream_drain. rill_last_error has the details. But
 *           for the first three the stream is of no use after an error: abort it.
 *  Suspends: until the handshake is done.
 *  Limits: names of 255 octets; each context of clients keeps 1000 sessions, the last one of each name, those used
 *          last; a stream whose other side sends more messages of TLS itself than it takes answers to, 128 KiB of
 *          them, breaks with -EPROTO. While it is idle a connection takes some 16 KiB.
 *  Like: StreamWriter.start_tls.   Since: 0.1 */
RILL_API int rill_stream_start_tls(rill_stream *stream, const rill_tls_opts *opts) RILL_SUSPENDS;

/** Whether the stream speaks TLS.   Returns: true from the end of the handshake on.   Since: 0.1 */
RILL_API bool rill_stream_is_tls(const rill_stream *stream);

/** The protocol above TLS that the two sides agreed on.
 *  Returns: its name, as long as the stream; empty if there is none.
 *  Like: SSLObject.selected_alpn_protocol.   Since: 0.1 */
RILL_API rill_span rill_stream_alpn(const rill_stream *stream);

/** The name of the server: that which the client asked for. A server that has hosts decides by it whether a request
 *  is for the one whose certificate it showed.
 *  Returns: its name, as long as the stream; empty if the client named none.
 *  Like: SSLSocket.server_hostname, the sni_callback's name.   Since: 0.1 */
RILL_API rill_span rill_stream_server_name(const rill_stream *stream);

/** Tell people how the stream is protected: "TLSv1.3, TLS_AES_256_GCM_SHA384, new session, peer CN=example.org".
 *  Args: `text` gets it appended.
 *  Returns: nothing; without TLS nothing is appended.   Like: SSLObject.version, .cipher, .getpeercert.   Since: 0.1 */
RILL_API void rill_stream_tls_text(const rill_stream *stream, rill_text *text);

#ifdef __cplusplus
}
#endif
