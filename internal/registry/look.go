package registry

import (
	"context"
	"errors"
	"time"

	"github.com/pullway/pullway/internal/config"
)

// lookWithin bounds all images of one Look.
const lookWithin = 2 * time.Minute

// Look asks one endpoint as Ask does, and for each image whether it is there, going
// on after one that is not. found has one error for each image, nil for one that can
// be pulled. err is why the endpoint could not be asked or refused the credential;
// found is nil then. A wrong password is sent once.
func Look(ctx context.Context, ep config.Endpoint, auth *config.Auth, images []Image, opt Options) (answer Answer, found []error, err error) {
	answer, err = Ask(ctx, ep, auth, nil, opt)
	if err != nil || len(images) == 0 {
		return answer, nil, err
	}
	a, err := newAsker(ep, auth, opt)
	if err != nil {
		return answer, nil, err
	}
	defer a.transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	a.answer = answer
	found = make([]error, len(images))
	for i, image := range images {
		read := a.readAuthorized
		if a.basic.IsZero() {
			read = a.readAnonymously
		}
		err := read(ctx, image, false)
		found[i] = err
		var e *Error
		if errors.As(err, &e) && (e.Kind == Unreachable || e.Kind == Timeout || e.Kind == DNS) {
			// It has gone away in between: the rest would wait as long.
			for j := i + 1; j < len(images); j++ {
				found[j] = err
			}
			break
		}
	}
	return answer, found, nil
}
