package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Models asks a server once for the names of its models.
func Models(ctx context.Context, server Server, key Secret) ([]string, error) {
	e := New(server, Options{Key: key})
	defer e.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL.JoinPath("models").String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("list the models of %s: %w", server.URL, err)
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+string(key))
	}
	o := e.options
	client := &http.Client{Transport: validatingTransport{
		next: o.Transport, limit: o.MaxReply, key: string(key), now: o.Now,
	}}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("list the models of a server: %w", err)
	}
	defer response.Body.Close()
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		return nil, fmt.Errorf("list the models of %s: %w", server.URL, err)
	}
	names := make([]string, len(list.Data))
	for i, model := range list.Data {
		names[i] = model.ID
	}
	return names, nil
}
