// Command logkey prints the verifier key of the log that this suite makes under an origin, for the configuration of a
// witness. The secret is public: configure it only where nothing rests on it.
package main

import (
	"fmt"
	"log"
	"os"

	"countersign.example/interop/golog"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: logkey ORIGIN")
	}
	made, err := golog.New(os.Args[1], "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(made.Vkey)
}
