// hello.go - Go's net/http with the fixed response, on the address given as argument.
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	body := []byte("Hello, World!")
	http.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { w.Write(body) })
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
