/* write.c - heads written from their parts; what would break a line never gets into one (rule 106). */
#include <rill/http.h>

#include "core/http/scan.h"

#include <errno.h>

static const char *phrase(unsigned status)
{
    switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 102: return "Processing";
    case 103: return "Early Hints";
    case 104: return "Upload Resumption Supported";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 207: return "Multi-Status";
    case 208: return "Already Reported";
    case 226: return "IM Used";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 305: return "Use Proxy";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 506: return "Variant Also Negotiates";
    case 507: return "Insufficient Storage";
    case 508: return "Loop Detected";
    case 510: return "Not Extended";
    case 511: return "Network Authentication Required";
    default: return "Unknown";
    }
}

rill_span rill_http_reason(unsigned status)
{
    return rill_span_of(phrase(status));
}

rill_span rill_http_method_name(rill_http_method method)
{
    switch (method) {
    case RILL_HTTP_GET: return RILL_SPAN("GET");
    case RILL_HTTP_HEAD: return RILL_SPAN("HEAD");
    case RILL_HTTP_POST: return RILL_SPAN("POST");
    case RILL_HTTP_PUT: return RILL_SPAN("PUT");
    case RILL_HTTP_PATCH: return RILL_SPAN("PATCH");
    case RILL_HTTP_DELETE: return RILL_SPAN("DELETE");
    case RILL_HTTP_OPTIONS: return RILL_SPAN("OPTIONS");
    case RILL_HTTP_OTHER: break;
    }
    return RILL_SPAN("");
}

void rill_http_write_status(rill_text *text, unsigned status)
{
    rill_text_add(text, RILL_SPAN("HTTP/1.1 "));
    rill_text_u64(text, status);
    rill_text_char(text, ' ');
    rill_text_add(text, rill_http_reason(status));
    rill_http_write_end(text);
}

int rill_http_write_request(rill_text *text, rill_span method, rill_span target, rill_span host)
{
    rill_http_host parsed;
    if (!rill_http_is_token(method) || target.size == 0 ||
        scan_visible(target.at, target.at + target.size) != target.at + target.size ||
        rill_http_host_parse(host, &parsed) < 0)
        return -EINVAL;
    rill_text_add(text, method);
    rill_text_char(text, ' ');
    rill_text_add(text, target);
    rill_text_add(text, RILL_SPAN(" HTTP/1.1\r\nHost: "));
    rill_text_add(text, host);
    rill_http_write_end(text);
    return 0;
}

int rill_http_write_field(rill_text *text, rill_span name, rill_span value)
{
    if (!rill_http_is_token(name) || !rill_http_is_value(value))
        return -EINVAL;
    rill_text_add(text, name);
    rill_text_add(text, RILL_SPAN(": "));
    rill_text_add(text, value);
    rill_http_write_end(text);
    return 0;
}

void rill_http_write_length(rill_text *text, uint64_t length)
{
    rill_text_add(text, RILL_SPAN("Content-Length: "));
    rill_text_u64(text, length);
    rill_http_write_end(text);
}
